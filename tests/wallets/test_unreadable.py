"""Why a call is not read, of every protocol that lends: the stranger, the market, the callback, by name."""

from collections.abc import Callable

import pytest

from strategies.domain import (
    Amount,
    Borrow,
    ClaimRewards,
    Deployment,
    Market,
    MarketAction,
    Repay,
    SetCollateral,
    Shares,
    Supply,
    Withdraw,
)
from strategies.protocols.adapter import Call
from strategies.protocols.registry import encode
from tests.strategies.protocols import aave_v3_rewards_case as aave
from tests.strategies.protocols import compound_v3_case, test_compound_v2
from tests.strategies.protocols import morpho_blue_case as morpho
from tests.wallets.cases import STRANGER
from tests.worlds import ACCOUNT
from wallets import unreadable

COMET, VENUS = compound_v3_case.comet_state().market, test_compound_v2.VENUS
MARKETS = (morpho.KEEPING, morpho.MARKET, morpho.VAULT_MARKET, COMET, VENUS, aave.MARKET)
ASSETS = tuple({asset.address: asset for market in MARKETS for asset in (market.asset, *market.others)}.values())
DEPLOYMENT = Deployment(31_337, "tests", "0x" + "ca" * 20, ASSETS, MARKETS, {})
UNLISTED = Market(
    "morpho:other", "morpho_blue", morpho.SINGLETON, morpho.USDC, morpho.PINNED, (morpho.WETH,), (("lltv_wad", 10**17),)
)


def one(market: Market) -> Amount:
    return Amount(market.asset, 5)


def why(call: Call) -> tuple[str, str]:
    (found,) = unreadable.reasons(0, call, ACCOUNT, DEPLOYMENT)
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
        (aave.MARKET, ClaimRewards),
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


def test_a_contract_that_only_one_action_goes_to_is_a_known_target_with_that_one_function() -> None:
    claim_for_another = bytes.fromhex("9ff55db9") + 3 * bytes(32)  # claimAllRewardsOnBehalf
    assert why(Call(aave.CONTROLLER, claim_for_another))[0] == "selector"
    assert why(Call(aave.CONTROLLER, encode(SetCollateral(aave.MARKET, True), ACCOUNT)[0].data))[0] == "selector"
    assert why(Call(aave.MARKET.contract("oracle"), claim_for_another))[0] == "target"


def test_names_a_claim_of_what_no_market_gives() -> None:
    call = encode(ClaimRewards(aave.MARKET), ACCOUNT)[0]
    rule, text = why(Call(call.target, call.data[:-20] + bytes.fromhex(STRANGER[2:])))
    assert (rule, "no market that is listed" in text) == ("market", True), text


def test_names_a_switch_that_is_neither_on_nor_off_and_one_of_another_asset() -> None:
    call = encode(SetCollateral(aave.MARKET, True), ACCOUNT)[0]
    assert why(Call(call.target, call.data[:-1] + bytes([2])))[0] == "calldata"
    stranger = call.data[:16] + bytes.fromhex(STRANGER[2:]) + call.data[36:]
    assert why(Call(call.target, stranger))[0] == "asset"


@pytest.mark.parametrize("market", [COMET, aave.MARKET])
def test_an_address_with_bytes_above_it_is_no_word_of_ours(market: Market) -> None:
    written = encode(Supply(market, one(market)), ACCOUNT)[-1]
    own = bytes(12) + bytes.fromhex(ACCOUNT[2:])
    assert own in written.data or market is COMET
    word = own if own in written.data else bytes(12) + bytes.fromhex(market.asset.address[2:])
    dirty = Call(written.target, written.data.replace(word, b"\x01" + word[1:]))
    assert why(dirty)[0] == "calldata"
    assert "bytes above it" in why(dirty)[1]
