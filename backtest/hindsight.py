"""What could have been had by whoever knew the next row: an upper bound beside a result. Refuses to be a strategy: it has no
settings, no cost, no limit and no latency, and nothing can be run with it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from backtest.metrics import annual_growth, share_values
from backtest.study import Result, Study
from strategies.tape import Floats

NAME: Final = "best in hindsight"
LABEL: Final = "best in hindsight (upper bound, free of cost)"


@dataclass(frozen=True, slots=True, eq=False)
class Hindsight:
    """The value path of all in the market with the best coming growth at each row, in whole units of the asset."""

    value: Floats  # [row]
    apy: float
    best_market: float  # the yearly growth of the one market that grew most over the whole tape, without cost


@dataclass(frozen=True, slots=True)
class Regret:
    """How far a result stayed below what hindsight would have had. Positive: below."""

    value: float  # whole units of the asset, at the end
    apr: float  # of the yearly rates
    market_apr: float  # below the best single market, which needs no switching to be had


def hindsight_of(study: Study) -> Hindsight:
    """The upper bound of a study: from its opening, every row's best growth to the next row; idle where every market loses."""
    main = study.main
    shares = np.stack([share_values(main.run.tape, market) for market in main.markets], axis=1)
    before, after = shares[:-1], shares[1:]
    growth = np.divide(after, before, out=np.ones_like(after), where=before > 0)
    path = np.append(1.0, np.cumprod(np.maximum(growth.max(axis=1, initial=1.0), 1.0)))
    seconds = int(main.curve.timestamp[-1] - main.curve.timestamp[0])
    return Hindsight(
        value=path * main.figures.opening,
        apy=annual_growth(1.0, float(path[-1]), seconds),
        best_market=annual_growth(1.0, float(np.prod(growth, axis=0).max()), seconds),
    )


def regret_of(result: Result, bound: Hindsight) -> Regret:
    """What a result gave away against hindsight."""
    figures = result.figures
    return Regret(float(bound.value[-1]) - figures.final, bound.apy - figures.apy, bound.best_market - figures.apy)
