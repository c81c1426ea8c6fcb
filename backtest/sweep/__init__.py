"""Many parameter sets of one strategy over one tape: which sets, run where, kept how, and how far the best can be believed.
It is no second engine: what it reports was run by `backtest.engine`, and what it only estimates is named so."""
