"""What providing liquidity costs, in closed form: impermanent loss, and loss versus rebalancing (LVR) with and without a fee.
Refuses prices, ranges and volatilities that no pool can have.

LVR: Milionis, Moallemi, Roughgarden and Zhang (2022), arXiv 2208.06046. With a fee: Milionis, Moallemi and Roughgarden (2023),
arXiv 2305.14604. Blocks at even times: arXiv 2505.05113. Volatility is of log price over the square root of one unit of
time."""

import math
from typing import Final

from backtest.evidence.errors import Undefined

# sqrt(2 pi) / -zeta(1/2): how far a random walk seen at even times steps past a barrier (Chernoff 1965; Siegmund 1979), inverted
OVERSHOOT: Final = 1.716_451_902_267_407_2


def impermanent_loss(price_ratio: float) -> float:
    """Value of a constant-product position over that of its initial tokens, less one: 2 sqrt(k) / (1 + k) - 1. Raises
    Undefined."""
    _positive("impermanent loss", price_ratio=price_ratio)
    root = math.sqrt(price_ratio)
    return -((1.0 - root) ** 2) / (1.0 + price_ratio)  # the same, without losing the digits of a small loss


def impermanent_loss_in_range(opening: float, price: float, *, low: float, high: float) -> float:
    """The same for liquidity in a range of prices (Uniswap v3), without fees. Raises Undefined."""
    _positive("impermanent loss in a range", opening=opening, price=price, low=low, high=high)
    if not low < high:
        raise Undefined("impermanent loss in a range", why=f"the range from {low} to {high} is empty")
    base, quote = tokens_in_range(opening, low=low, high=high)
    now_base, now_quote = tokens_in_range(price, low=low, high=high)
    return ((now_base - base) * price + (now_quote - quote)) / (base * price + quote)


def tokens_in_range(price: float, *, low: float, high: float) -> tuple[float, float]:
    """Base and quote behind one unit of liquidity: 1/sqrt(P) - 1/sqrt(high) and sqrt(P) - sqrt(low), P held within the range
    (Uniswap v3 whitepaper, 6.29 and 6.30)."""
    root = math.sqrt(min(max(price, low), high))
    return 1.0 / root - 1.0 / math.sqrt(high), root - math.sqrt(low)


def lvr(volatility: float) -> float:
    """Loss versus rebalancing of a constant-product pool, as a share of its value per unit of time: sigma^2 / 8. Raises
    Undefined."""
    _positive("loss versus rebalancing", volatility=volatility)
    return volatility**2 / 8.0


def trade_share_random_blocks(volatility: float, *, fee: float, blocks: float) -> float:
    """The share of blocks in which an arbitrageur trades, and of LVR that is lost net of fees, where blocks come at random
    (Poisson): 1 / (1 + sqrt(2 lambda) fee / sigma), lambda blocks per unit of time, the fee one-sided in log price. Raises
    Undefined."""
    _positive("loss versus rebalancing with a fee", volatility=volatility, blocks=blocks)
    _fee(fee)
    return 1.0 / (1.0 + math.sqrt(2.0 * blocks) * fee / volatility)


def loss_share_even_blocks(volatility: float, *, fee: float, blocks: float) -> float:
    """The share of LVR that is lost net of fees where blocks come at even times: 2 / (2 + c × 2 fee / sigma_block), c
    `OVERSHOOT`. It is the limit of a fee that is wide against a block's move. Raises Undefined."""
    _positive("loss versus rebalancing with a fee", volatility=volatility, blocks=blocks)
    _fee(fee)
    return 1.0 / (1.0 + OVERSHOOT * fee * math.sqrt(blocks) / volatility)


def _fee(fee: float) -> None:
    if not 0.0 <= fee < math.inf:
        raise Undefined("loss versus rebalancing with a fee", why=f"a fee of {fee}")


def _positive(what: str, **given: float) -> None:
    for name, value in given.items():
        if not 0.0 < value < math.inf:
            raise Undefined(what, why=f"{name} is {value}; above zero is needed")
