"""What Morpho Blue's contracts answer becomes a state, or is refused by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.verify.cases.morpho_blue import GROUPS
from agent.verify.vectors import Group, verify
from strategies.domain import Amount, Market, Position
from strategies.errors import IncompleteRead, ProtocolError, UnsupportedState
from strategies.protocols.morpho_blue import MorphoBlue
from strategies.protocols.morpho_blue.irm import MAX_RATE_AT_TARGET_WAD, MIN_RATE_AT_TARGET_WAD, exponential_wad
from strategies.units import MAX_UINT256
from tests.strategies.protocols.cases import ACCOUNT, NOW
from tests.strategies.protocols.morpho_blue_case import HELD, KEEPING, KEPT, LENT, MARKET, SINGLETON, WETH

ADAPTER = MorphoBlue()
VECTORS = Path(__file__).parents[4] / "shared" / "benchmarks" / "vectors"
TOTALS = (
    LENT.supplied_raw,
    LENT.supply_shares_raw,
    LENT.owed_raw,
    LENT.borrow_shares_raw,
    LENT.last_update_timestamp,
    LENT.fee_wad,
)


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


ANSWERS = (words(*TOTALS), words(LENT.rate_at_target_wad), words(LENT.price_e36))


def test_reads_totals_rate_and_price_of_the_market_that_its_parameters_name() -> None:
    assert [call.target for call in ADAPTER.reads(MARKET)] == [SINGLETON, MARKET.contract("irm"), MARKET.contract("oracle")]
    assert ADAPTER.decode(MARKET, ANSWERS, NOW) == LENT
    assert ADAPTER.reads(replace(MARKET, numbers=(("lltv_wad", 1),))) != ADAPTER.reads(MARKET)


def test_reads_the_totals_only_of_a_market_without_collateral() -> None:
    assert [call.target for call in ADAPTER.reads(KEEPING)] == [SINGLETON]
    totals = (KEPT.supplied_raw, KEPT.supply_shares_raw, 0, 0, KEPT.last_update_timestamp, KEPT.fee_wad)
    assert ADAPTER.decode(KEEPING, (words(*totals),), NOW) == KEPT


@pytest.mark.parametrize("missing", ["oracle", "irm"])
def test_a_market_with_collateral_that_pins_no_oracle_or_rate_model_is_found_out_at_once(missing: str) -> None:
    pins = tuple((role, address) for role, address in MARKET.contracts if role != missing)
    with pytest.raises(KeyError):
        ADAPTER.reads(replace(MARKET, contracts=pins))


def test_refuses_a_market_that_does_not_exist_under_the_pinned_parameters() -> None:
    with pytest.raises(UnsupportedState, match="does not exist"):
        ADAPTER.decode(MARKET, (words(*[0] * 6), *ANSWERS[1:]), NOW)


def test_refuses_a_market_that_was_updated_later_than_it_was_read() -> None:
    assert ADAPTER.decode(MARKET, ANSWERS, LENT.last_update_timestamp).timestamp == LENT.last_update_timestamp
    with pytest.raises(UnsupportedState, match="later"):
        ADAPTER.decode(MARKET, ANSWERS, LENT.last_update_timestamp - 1)


@pytest.mark.parametrize("rate_wad", [0, MIN_RATE_AT_TARGET_WAD - 1, MAX_RATE_AT_TARGET_WAD + 1, MAX_UINT256])
def test_refuses_a_rate_at_target_that_the_curve_never_has(rate_wad: int) -> None:
    for within_wad in (MIN_RATE_AT_TARGET_WAD, MAX_RATE_AT_TARGET_WAD):
        assert ADAPTER.decode(MARKET, (ANSWERS[0], words(within_wad), ANSWERS[2]), NOW).rate_at_target_wad == within_wad
    with pytest.raises(UnsupportedState, match="another rate model"):
        ADAPTER.decode(MARKET, (ANSWERS[0], words(rate_wad), ANSWERS[2]), NOW)


@pytest.mark.parametrize("answers", [ANSWERS[:2], (*ANSWERS, b""), (b"", *ANSWERS[1:]), (ANSWERS[0] + b"\0", *ANSWERS[1:])])
def test_refuses_answers_that_are_missing_or_too_many_or_of_another_length(answers: tuple[bytes, ...]) -> None:
    with pytest.raises(IncompleteRead):
        ADAPTER.decode(MARKET, answers, NOW)


def test_reads_shares_debt_and_collateral_of_an_account() -> None:
    (call,) = ADAPTER.holding_reads(MARKET, ACCOUNT)
    assert (call.target, call.data[36:]) == (SINGLETON, bytes(12) + bytes.fromhex(ACCOUNT[2:]))
    answer = words(HELD.shares_raw, HELD.debt_raw, HELD.collateral_raw(WETH))
    assert ADAPTER.holding(MARKET, (answer,)) == HELD
    assert ADAPTER.holding(MARKET, (words(0, 0, 0),)).is_empty
    assert ADAPTER.holding(MARKET, (words(0, 0, 5),)) == Position(MARKET, 0, 0, (Amount(WETH, 5),))
    for short in ((), (answer[:64],)):
        with pytest.raises(IncompleteRead):
            ADAPTER.holding(MARKET, short)


@pytest.mark.parametrize("market", [MARKET, KEEPING])
def test_the_singleton_counts_shares_and_debts_and_takes_what_is_given(market: Market) -> None:
    assert ADAPTER.units(market) == (SINGLETON, SINGLETON)


def test_the_exponential_is_clipped_at_both_ends() -> None:
    assert exponential_wad(-(10**30)) == 0
    assert exponential_wad(10**30) == exponential_wad(93_859_467_695_000_404_319)


@pytest.mark.parametrize(
    ("group", "given"),
    [
        ("shares_math", {"fn": "toSharesUp", "amount": str(MAX_UINT256), "total_assets": "0", "total_shares": "0"}),
        ("wTaylorCompounded", {"rate_per_second_wad": str(10**30), "seconds": str(10**20)}),
    ],
)
def test_what_passes_256_bits_reverts(group: str, given: dict[str, str]) -> None:
    with pytest.raises(ProtocolError):
        GROUPS[group]({"in": given})


def test_every_published_case_is_equal() -> None:
    if not VECTORS.is_dir():
        pytest.skip("the shared folder with the published vectors is not beside this repository")
    ours = [group for group in verify(VECTORS) if isinstance(group, Group) and group.file == "morpho_blue.json"]
    assert [group.first for group in ours if group.first] == []
    assert (sum(group.passed for group in ours), sum(group.skipped for group in ours)) == (178, 0)
