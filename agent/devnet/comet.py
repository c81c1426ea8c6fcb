"""A stand-in for a Comet: one base token lent against two others. It repairs nothing: a revert here is a bug and is raised.

It is our own contract with Comet's interface and published arithmetic, because no package ships Comet's. Prices come from the
chain's own feeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.devnet.compile import Unit
from agent.devnet.markets import DAI, USDC, WETH, Token
from agent.devnet.yard import Entry, Yard

NAME: Final = "comet"
CONTRACT: Final = "CometStandIn"
UNITS: Final = (Unit(NAME, "solc-0.8.27", (f"usufruct/{CONTRACT}.sol",)),)
WAD: Final = 10**18


@dataclass(frozen=True, slots=True)
class Backing:
    """One collateral: what may be borrowed on it, when it is lost, how much may come, and how much the borrower brings."""

    token: Token
    borrow_factor_wad: int
    liquidation_factor_wad: int
    cap: int
    brought: int


BASE: Final = USDC
BORROW_MIN_RAW: Final = 100 * 10**6
SUPPLY_CURVE: Final = (90 * WAD // 100, 39 * WAD // 1000, 3 * WAD, 0)  # kink; slope below, slope above and base of a year
BORROW_CURVE: Final = (90 * WAD // 100, 42 * WAD // 1000, 34 * WAD // 10, 11 * WAD // 1000)
BACKINGS: Final = (
    Backing(WETH, 825 * WAD // 1000, 895 * WAD // 1000, cap=50_000, brought=1_000),
    Backing(DAI, 9 * WAD // 10, 93 * WAD // 100, cap=5_000_000, brought=400_000),
)
LENT: Final = 3_000_000
BORROWED: Final = 2_300_000


def deploy(yard: Yard) -> Sequence[Entry]:
    """The Comet, what it lists, its first lender and its first borrower."""
    feeds = {token.symbol: yard.feed(token.usd_e8) for token in (BASE, *(backing.token for backing in BACKINGS))}
    terms = (yard.tokens[BASE.symbol], feeds[BASE.symbol], BORROW_MIN_RAW, SUPPLY_CURVE, BORROW_CURVE)
    comet = yard.compiled(NAME, CONTRACT, "(address,address,uint256,uint256[4],uint256[4])", *terms)
    for backing in BACKINGS:
        list_backing(yard, comet, backing, feeds[backing.token.symbol])
    seed(yard, comet)
    yard.admin[NAME] = {"comet": comet, "feeds": feeds}
    return [describe(yard, comet, feeds)]


def list_backing(yard: Yard, comet: str, backing: Backing, feed: str) -> None:
    """Governance lists one collateral."""
    factors = (backing.borrow_factor_wad, backing.liquidation_factor_wad, backing.token.units(backing.cap))
    yard.administer(comet, "list(address,address,uint64,uint64,uint128)", yard.tokens[backing.token.symbol], feed, *factors)


def seed(yard: Yard, comet: str) -> None:
    """Lenders first, then collateral, then debt."""
    give(yard, comet, actor="lender", token=BASE, whole=LENT)
    for backing in BACKINGS:
        give(yard, comet, actor="borrower", token=backing.token, whole=backing.brought)
    borrower, base = yard.actors["borrower"], yard.tokens[BASE.symbol]
    yard.approve("borrower", BASE, comet)
    yard.act("borrower", comet, "withdrawTo(address,address,uint256)", borrower, base, BASE.units(BORROWED))


def give(yard: Yard, comet: str, *, actor: str, token: Token, whole: int) -> None:
    """An actor supplies a whole number of tokens, and may supply more later."""
    yard.approve(actor, token, comet)
    arguments = (yard.actors[actor], yard.tokens[token.symbol], token.units(whole))
    yard.act(actor, comet, "supplyTo(address,address,uint256)", *arguments)


def describe(yard: Yard, comet: str, feeds: dict[str, str]) -> Entry:
    """The Comet as an entry of the deployment."""
    places = {f"feed_{place}": feeds[backing.token.symbol] for place, backing in enumerate(BACKINGS)}
    return {
        "id": f"comet:{BASE.symbol}",
        "protocol": "compound_v3",
        "address": comet,
        "asset": yard.tokens[BASE.symbol],
        "contracts": {"base_feed": feeds[BASE.symbol], **places},
        "others": [backing.token.symbol for backing in BACKINGS],
        "numbers": {"quotes_usd": "1"},
    }
