"""Why a call is not read, of every protocol that lends: the stranger, the market, the callback, by name."""

from collections.abc import Callable

import pytest

from strategies.domain import Amount, Borrow, Deployment, Market, MarketAction, Repay, Shares, Supply, Withdraw
from strategies.protocols.adapter import Call
from strategies.protocols.registry import encode
from tests.strategies.protocols import compound_v3_case, test_compound_v2
from tests.strategies.protocols import morpho_blue_case as morpho
from tests.wallets.cases import STRANGER
from tests.worlds import ACCOUNT
from wallets import unreadable

COMET, VENUS = compound_v3_case.comet_state().market, test_compound_v2.VENUS
MARKETS = (morpho.KEEPING, morpho.MARKET, morpho.VAULT_MARKET, COMET, VENUS)
ASSETS = tuple({asset.address: asset for market in MARKETS for asset in (market.asset, *market.others)}.values())
DEPLOYMENT = Deployment(31_337, "tests", "0x" + "ca" * 20, ASSETS, MARKETS, {})
UNLISTED = Market(
    "morpho:other", "morpho_blue", morpho.SINGLETON, morpho.USDC, morpho.PINNED, (morpho.WETH,), (("lltv_wad", 10**17),)
)


def one(market: Market) -> Amount:
    return Amount(market.asset, 5)


def why(call: Call) -> tuple[str, str]:
    found = unreadable.reason(0, call, ACCOUNT, DEPLOYMENT)
    return found.rule, found.text


TAKES: tuple[Callable[[Market], MarketAction], ...] = (
    lambda market: Supply(market, one(market)),
    lambda market: Withdraw(market, one(market)),
    lambda market: Borrow(market, one(market)),
    lambda market: Repay(market, one(market)),
    lambda market: Withdraw(market, Shares(5)),
)


@pytest.mark.parametrize(
    ("market", "takes"),
    [
        *((morpho.MARKET, takes) for takes in TAKES),
        *((morpho.VAULT_MARKET, TAKES[at]) for at in (0, 1, 4)),
        *((COMET, takes) for takes in TAKES[2:4]),  # supply and withdraw are the sender's: they name nobody
    ],
)
def test_names_the_stranger_that_a_call_is_for(market: Market, takes: Callable[[Market], MarketAction]) -> None:
    rule, text = why(encode(takes(market), STRANGER)[-1])
    assert rule == "beneficiary", text
    assert STRANGER in text
    assert "it must be the wallet" in text


def test_names_a_market_of_the_same_contract_that_is_not_listed() -> None:
    rule, text = why(encode(Supply(UNLISTED, one(UNLISTED)), ACCOUNT)[-1])
    assert (rule, "no market that is listed" in text) == ("market", True)


@pytest.mark.parametrize("behind", [bytes(32), b"\x01" + bytes(31)])
def test_names_the_bytes_behind_a_call_as_a_callback_has_them(behind: bytes) -> None:
    call = encode(Supply(morpho.MARKET, one(morpho.MARKET)), ACCOUNT)[-1]
    length = len(call.data) - 32
    rule, text = why(Call(call.target, call.data[:length] + (32).to_bytes(32, "big") + behind))
    assert (rule, "callback" in text) == ("calldata", True), text


def test_names_a_function_for_somebody_else_and_an_amount_of_nothing() -> None:
    for_others = bytes.fromhex("23323e03") + bytes(12) + bytes.fromhex(STRANGER[2:]) + (5).to_bytes(32, "big")
    assert why(Call(VENUS.address, for_others))[0] == "selector"
    redeem = encode(Withdraw(VENUS, Shares(5)), ACCOUNT)[-1]
    rule, text = why(Call(redeem.target, redeem.data[:4] + bytes(32)))
    assert (rule, "canonical" in text) == ("calldata", True)
