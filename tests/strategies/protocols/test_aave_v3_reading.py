"""What an Aave pool answers, as it is decoded, and which answers are refused and why."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from strategies.domain import Market
from strategies.errors import (
    IncompleteRead,
    UnsupportedState,
)
from strategies.protocols.aave_v3 import AaveV3
from strategies.protocols.aave_v3.arithmetic import (
    V3_0,
    V3_6,
    Version,
)
from strategies.protocols.aave_v3.reserve import Reserve
from strategies.units import USD_E8
from tests.strategies.protocols.cases import (
    ACCOUNT,
    NEW_POOL,
    NOW,
    OLD_POOL,
    VERSIONS,
    claim,
    reserve,
)

ADAPTER = AaveV3()
BOTH = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: str(version.name))
BITS = 7_700 | 8_000 << 16 | 10_500 << 32 | 6 << 48 | 1 << 56 | 1 << 58 | 1_000 << 64
ID = 3


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def reserve_data(state: Reserve, **changed: int) -> bytes:
    """getReserveData's fifteen words, by name."""
    at = {role: int(address, 16) for role, address in state.market.contracts}
    fields = {
        "configuration": BITS,
        "liquidity_index": state.liquidity_index_ray,
        "liquidity_rate": state.liquidity_rate_ray,
        "variable_index": state.variable_index_ray,
        "variable_rate": state.variable_rate_ray,
        "stable_rate": 0,
        "last_update": state.last_update_timestamp,
        "id": ID,
        "receipt": at["receipt"],
        "stable_debt": at.get("stable_debt", 0),
        "debt": at["debt"],
        "strategy": at["strategy"],
        "treasury": state.treasury_scaled_raw,
        "unbacked": 0,
        "isolated_debt": 0,
    }
    return b"".join(word(value) for value in (fields | changed).values())


def answers(state: Reserve, **changed: int) -> list[bytes]:
    """What a pool in this state answers; `changed` names words of getReserveData."""
    curve = state.curve
    said = [word(1 if state.version is V3_0 else 10), reserve_data(state, **changed)]
    said += [word(state.scaled_supply_raw), word(state.scaled_debt_raw), word(state.price_usd_e8), word(USD_E8)]
    said += [word(state.available_raw), word(0)]
    parameters = (curve.optimal_usage_ray, curve.base_ray, curve.slope1_ray, curve.slope2_ray)
    if state.version is V3_0:
        return said + [word(parameter) for parameter in parameters]
    return [*said, b"".join(word(parameter // 10**23) for parameter in parameters)]


def refused(market: Market, results: Sequence[bytes]) -> str:
    with pytest.raises(UnsupportedState) as refusal:
        ADAPTER.decode(market, results, NOW)
    return refusal.value.what


@BOTH
def test_decodes_what_the_pool_answers(version: Version) -> None:
    state = reserve(version)
    assert len(ADAPTER.reads(state.market)) == len(answers(state))
    assert ADAPTER.decode(state.market, answers(state), NOW) == state


@BOTH
def test_refuses_an_unknown_revision_by_its_number(version: Version) -> None:
    state = reserve(version)
    assert refused(state.market, [word(6), *answers(state)[1:]]) == "pool revision 6"


def test_refuses_a_pool_whose_revision_does_not_fit_the_pinned_roles() -> None:
    assert "other roles" in refused(OLD_POOL, [word(10), *answers(reserve(V3_0))[1:]])
    assert "other roles" in refused(NEW_POOL, [word(1), *answers(reserve(V3_6))[1:]])


@BOTH
@pytest.mark.parametrize("role", ["receipt", "debt", "strategy"])
def test_refuses_tokens_and_strategies_that_are_not_the_pinned_ones(version: Version, role: str) -> None:
    state = reserve(version)
    assert refused(state.market, answers(state, **{role: 0xBAD})) == f"its {role} is not the pinned contract"


def test_refuses_a_stable_debt_token_that_is_not_the_pinned_one_but_not_the_mock_of_later_pools() -> None:
    assert "stable_debt" in refused(OLD_POOL, answers(reserve(V3_0), stable_debt=0xBAD))
    assert ADAPTER.decode(NEW_POOL, answers(reserve(V3_6), stable_debt=0xBAD), NOW) == reserve(V3_6)


def test_refuses_stable_debt() -> None:
    results = answers(reserve(V3_0))
    results[7] = word(1)
    assert refused(OLD_POOL, results) == "stable debt"


def test_reads_a_deficit_where_later_pools_have_it() -> None:
    results = answers(reserve(V3_6))
    results[7] = word(5)
    assert ADAPTER.decode(NEW_POOL, results, NOW).unbacked_raw == 5


@BOTH
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"configuration": BITS | 1 << 212}, "isolation"),
        ({"configuration": BITS ^ (6 ^ 18) << 48}, "18 decimals"),
        ({"last_update": NOW + 1}, "later than it was read"),
    ],
)
def test_refuses_states_it_does_not_model(version: Version, changed: dict[str, int], why: str) -> None:
    state = reserve(version)
    assert why in refused(state.market, answers(state, **changed))


def test_refuses_a_curve_without_an_optimum() -> None:
    results = answers(reserve(V3_0))
    results[8] = word(0)
    assert "optimal" in refused(OLD_POOL, results)


@BOTH
def test_refuses_an_oracle_in_another_unit(version: Version) -> None:
    results = answers(reserve(version))
    results[5] = word(10**18)
    assert "oracle" in refused(reserve(version).market, results)


@BOTH
def test_an_empty_short_or_missing_answer_is_an_incomplete_read(version: Version) -> None:
    state = reserve(version)
    whole = answers(state)
    for at in range(len(whole)):
        for bad in (b"", whole[at][:-1], whole[at] + bytes(32)):
            with pytest.raises(IncompleteRead, match=state.market.id):
                ADAPTER.decode(state.market, [*whole[:at], bad, *whole[at + 1 :]], NOW)
    with pytest.raises(IncompleteRead):
        ADAPTER.decode(state.market, whole[:-1], NOW)


def held_answers(*, emode: int = 0, used: int = 0) -> list[bytes]:
    return [word(5), word(2), word(emode), word(used), reserve_data(reserve())]


def test_reads_a_claim_in_scaled_units() -> None:
    assert ADAPTER.holding(OLD_POOL, held_answers(used=1 << 2 * ID + 1)) == claim(OLD_POOL, 5, 2)
    assert len(ADAPTER.holding_reads(OLD_POOL, ACCOUNT)) == len(held_answers())


def test_refuses_an_account_in_emode() -> None:
    with pytest.raises(UnsupportedState, match="eMode 1"):
        ADAPTER.holding(OLD_POOL, held_answers(emode=1))


def test_reads_whether_a_claim_counts_as_collateral_from_its_own_bit_alone() -> None:
    own, others = 1 << 2 * ID + 1, 2**256 - 1 ^ 1 << 2 * ID + 1
    for used in (own, own | others):
        assert ADAPTER.holding(OLD_POOL, held_answers(used=used)) == claim(OLD_POOL, 5, 2)
    for used in (0, others):
        assert ADAPTER.holding(OLD_POOL, held_answers(used=used)) == replace(claim(OLD_POOL, 5, 2), counts=False)


@pytest.mark.parametrize("used", [0, 1 << 2 * ID + 1])
def test_what_is_not_supplied_says_nothing_of_counting(used: int) -> None:
    nothing = [word(0), word(2), *held_answers(used=used)[2:]]
    assert ADAPTER.holding(OLD_POOL, nothing) == claim(OLD_POOL, 0, 2)


@pytest.mark.parametrize("at", range(5))
def test_a_short_answer_about_the_account_is_an_incomplete_read(at: int) -> None:
    whole = held_answers()
    with pytest.raises(IncompleteRead):
        ADAPTER.holding(OLD_POOL, [*whole[:at], b"", *whole[at + 1 :]])
    with pytest.raises(IncompleteRead):
        ADAPTER.holding(OLD_POOL, whole[:at])
