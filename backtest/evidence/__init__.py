"""How likely a result is to be luck: Sharpe ratios and their errors, selection among trials, overfitting, resampling, and the
closed forms that simulations are held against. It runs no strategy and refuses to call an unknown figure zero."""
