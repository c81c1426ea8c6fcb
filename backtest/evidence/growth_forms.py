"""How fast wealth can grow and how far it falls on the way, in closed form: Kelly's fraction and the expected maximum drawdown of
Brownian motion. Refuses volatilities and times that are not above zero.

Drawdown: Magdon-Ismail, Atiya, Pratap and Abu-Mostafa (2004), "On the Maximum Drawdown of a Brownian Motion". The motion is of an
amount (arithmetic), not of its logarithm."""

import math
from typing import Final

from backtest.evidence.errors import Undefined

DRAWDOWN_GAMMA: Final = math.sqrt(math.pi / 8.0)
RISING: Final = 0.635_19  # 2 × 0.49088 - ln(2) / 2: the paper's constant of Q_p, to the five places it has there


def kelly_fraction(drift: float, volatility: float) -> float:
    """The share of wealth that grows fastest: mu / sigma^2. Raises Undefined."""
    _positive("a Kelly fraction", volatility=volatility)
    return drift / volatility**2


def kelly_growth(drift: float, volatility: float, *, share: float) -> float:
    """The growth of log wealth per unit of time at a share of the Kelly fraction (1 full, 0.5 half): share (1 - share / 2) mu^2 /
    sigma^2. Raises Undefined."""
    _positive("growth at a Kelly fraction", volatility=volatility)
    return share * (1.0 - share / 2.0) * (drift / volatility) ** 2


def chance_of_falling_to(wealth: float, *, share: float) -> float:
    """How likely wealth ever falls to that fraction of the opening at a share of the Kelly fraction: x^(2 / share - 1). Raises
    Undefined where the share would ruin for certain, at twice Kelly and beyond."""
    if not 0.0 < wealth <= 1.0 or not 0.0 < share < 2.0:
        raise Undefined("a chance of falling", why=f"to {wealth} of the opening at {share} of Kelly")
    return float(wealth ** (2.0 / share - 1.0))


def expected_drawdown_driftless(volatility: float, time: float) -> float:
    """E[MDD] without drift, exact: 2 gamma sigma sqrt(T), gamma = sqrt(pi / 8). Raises Undefined."""
    _positive("an expected drawdown", volatility=volatility, time=time)
    return 2.0 * DRAWDOWN_GAMMA * volatility * math.sqrt(time)


def expected_drawdown_rising(drift: float, volatility: float, time: float) -> float:
    """E[MDD] after a long time with a drift upwards: (sigma^2 / mu) (0.63519 + ln(T) / 2 + ln(mu / sigma)). Raises Undefined."""
    _positive("an expected drawdown", drift=drift, volatility=volatility, time=time)
    return volatility**2 / drift * (RISING + 0.5 * math.log(time) + math.log(drift / volatility))


def expected_drawdown_falling(drift: float, volatility: float, time: float) -> float:
    """E[MDD] after a long time with a drift downwards: -mu T - sigma^2 / mu. Raises Undefined."""
    _positive("an expected drawdown", fall=-drift, volatility=volatility, time=time)
    return -drift * time - volatility**2 / drift


def _positive(what: str, **given: float) -> None:
    for name, value in given.items():
        if not 0.0 < value < math.inf:
            raise Undefined(what, why=f"{name} is {value}; above zero is needed")
