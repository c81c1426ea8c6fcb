"""Plain vaults: each kind's rounding and refusals, what is read and believed, and what the bytes mean."""

import math
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Amount, Borrow, Market, Position, Shares, Supply, Withdraw
from strategies.errors import (
    ActionRefused,
    IncompleteRead,
    InsufficientBalance,
    InsufficientLiquidity,
    UnknownCall,
    UnsupportedState,
)
from strategies.protocols import erc20
from strategies.protocols.erc4626 import (
    PROBE_RAW,
    Erc4626,
    Vault,
    assets_of_shares_down,
    assets_of_shares_up,
    kind_of,
    shares_of_assets_down,
    shares_of_assets_up,
)
from strategies.units import MAX_UINT256
from tests.strategies.protocols.cases import ACCOUNT, DAI, NOW, ONE, STRANGER, USDC

ADAPTER = Erc4626()


def market(virtual: int = 1, offset: int = 6) -> Market:
    numbers = (("decimals_offset", offset), ("virtual_assets", virtual))
    return Market("vault:USDC", "erc4626", "0x" + "46" * 20, USDC, numbers=numbers)


def vault(virtual: int = 1, offset: int = 6) -> Vault:
    """Ten million and something in it, six of them in its own hands."""
    at = market(virtual, offset)
    return Vault(
        market=at,
        kind=kind_of(at),
        timestamp=NOW,
        total_assets_raw=10_000_000 * ONE + 7,
        total_supply_raw=9_000_000 * ONE * 10**offset + 3,
        held_raw=6_000_000 * ONE,
        deposit_limit_raw=MAX_UINT256,
    )


VAULTS = (vault(1, 0), vault(1, 6), vault(0, 0))
EACH = pytest.mark.parametrize("state", VAULTS, ids=lambda state: f"{state.kind.name} {state.kind.virtual_shares_raw}")
AMOUNTS = st.integers(0, 10**30)


def usdc(raw: int) -> Amount:
    return Amount(USDC, raw)


def answers(state: Vault, **other: int) -> list[bytes]:
    """What the contract would answer, with some answers replaced."""
    said = {
        "asset": int(USDC.address, 16),
        "total_assets": state.total_assets_raw,
        "total_supply": state.total_supply_raw,
        "held": state.held_raw,
        "limit": state.deposit_limit_raw,
        "probed_shares": shares_of_assets_down(state, PROBE_RAW),
        "probed_assets": assets_of_shares_down(state, PROBE_RAW),
    } | other
    return [number.to_bytes(32, "big") for number in said.values()]


def test_knows_two_kinds_and_refuses_every_other_pair_of_numbers() -> None:
    assert (kind_of(market(1, 18)).virtual_shares_raw, kind_of(market(0, 0)).virtual_shares_raw) == (10**18, 0)
    for virtual, offset in ((0, 6), (2, 0), (1, 19), (1, -1)):
        with pytest.raises(ValueError, match="offset"):
            ADAPTER.reads(market(virtual, offset))
    with pytest.raises(KeyError):
        ADAPTER.reads(replace(market(), numbers=()))


@EACH
@given(raw=AMOUNTS)
def test_every_rounding_favours_the_vault(state: Vault, raw: int) -> None:
    assert assets_of_shares_down(state, shares_of_assets_down(state, raw)) <= raw
    assert assets_of_shares_up(state, shares_of_assets_up(state, raw)) >= raw
    assert 0 <= shares_of_assets_up(state, raw) - shares_of_assets_down(state, raw) <= 1
    assert 0 <= assets_of_shares_up(state, raw) - assets_of_shares_down(state, raw) <= 1


def test_an_empty_vault_gives_its_offset_of_shares_or_one_for_one() -> None:
    for state, shares_raw in zip(VAULTS, (5, 5 * 10**6, 5), strict=True):
        empty = replace(state, total_assets_raw=0, total_supply_raw=0)
        assert shares_of_assets_down(empty, 5) == shares_raw
        assert assets_of_shares_up(empty, shares_raw) == 5


@EACH
def test_reads_what_the_contract_answers(state: Vault) -> None:
    assert ADAPTER.decode(state.market, answers(state), NOW) == state
    assert len(ADAPTER.reads(state.market)) == len(answers(state))


@EACH
def test_refuses_a_vault_whose_previews_are_another_arithmetic(state: Vault) -> None:
    for name, preview in (("probed_shares", shares_of_assets_down), ("probed_assets", assets_of_shares_down)):
        for off in (-1, 1):
            with pytest.raises(UnsupportedState, match="arithmetic"):
                ADAPTER.decode(state.market, answers(state, **{name: preview(state, PROBE_RAW) + off}), NOW)


def test_refuses_to_read_a_vault_whose_shares_have_no_price() -> None:
    ruined = {"total_assets": 0, "probed_shares": 0, "probed_assets": 0}
    with pytest.raises(UnsupportedState, match="no assets"):
        ADAPTER.decode(market(0, 0), answers(vault(0, 0), **ruined), NOW)


def test_refuses_another_asset_and_half_an_answer() -> None:
    with pytest.raises(UnsupportedState, match="asset"):
        ADAPTER.decode(market(), answers(vault(), asset=int(DAI.address, 16)), NOW)
    with pytest.raises(IncompleteRead):
        ADAPTER.decode(market(), answers(vault())[:-1], NOW)
    with pytest.raises(IncompleteRead):
        ADAPTER.holding(market(), ())
    assert ADAPTER.holding(market(), ((9).to_bytes(32, "big"),)) == Position(market(), 9)


def test_believes_a_limit_only_where_the_code_enforces_it() -> None:
    closed = ADAPTER.decode(market(1, 6), answers(vault(1, 6), limit=0), NOW)
    with pytest.raises(ActionRefused, match="takes 0"):
        ADAPTER.apply(closed, Position(market(), 0), Supply(market(), usdc(1)))
    lying = ADAPTER.decode(market(0, 0), answers(vault(0, 0), limit=0), NOW)
    assert ADAPTER.apply(lying, Position(lying.market, 0), Supply(lying.market, usdc(1_000))).held.shares_raw == 899


def test_a_finite_limit_is_the_room_that_a_cap_leaves() -> None:
    state = replace(vault(), deposit_limit_raw=100 * ONE)
    with pytest.raises(ActionRefused, match="100000001 are offered"):
        ADAPTER.apply(state, Position(market(), 0), Supply(market(), usdc(100 * ONE + 1)))
    full = ADAPTER.apply(state, Position(market(), 0), Supply(market(), usdc(100 * ONE)))
    assert full.state.deposit_limit_raw == 0
    back = ADAPTER.apply(full.state, full.held, Withdraw(market(), usdc(5)))
    assert back.state.deposit_limit_raw == 0  # the cap may have been passed by more
    part = ADAPTER.apply(state, Position(market(), 0), Supply(market(), usdc(40)))
    assert ADAPTER.apply(part.state, part.held, Withdraw(market(), usdc(5))).state.deposit_limit_raw == 100 * ONE - 35


@EACH
def test_pays_to_the_last_share_and_not_one_more(state: Vault) -> None:
    held = Position(state.market, state.total_supply_raw // 9)
    worth_raw = ADAPTER.value_raw(state, held)
    assert ADAPTER.apply(state, held, Withdraw(state.market, usdc(worth_raw))).moved == (usdc(worth_raw),)
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(state, held, Withdraw(state.market, usdc(worth_raw + 1)))
    out = ADAPTER.apply(state, held, Withdraw(state.market, Shares(held.shares_raw)))
    assert (out.held.is_empty, out.moved) == (True, (usdc(worth_raw),))
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(state, held, Withdraw(state.market, Shares(held.shares_raw + 1)))


@EACH
def test_pays_no_more_than_it_has_in_its_own_hands(state: Vault) -> None:
    held = Position(state.market, state.total_supply_raw)
    assert ADAPTER.withdrawable_raw(state) == state.held_raw
    assert ADAPTER.apply(state, held, Withdraw(state.market, usdc(state.held_raw))).state.held_raw == 0
    with pytest.raises(InsufficientLiquidity):
        ADAPTER.apply(state, held, Withdraw(state.market, usdc(state.held_raw + 1)))


def test_a_vault_that_holds_more_than_it_counts_pays_what_it_counts() -> None:
    assert ADAPTER.withdrawable_raw(replace(vault(), held_raw=MAX_UINT256)) == vault().total_assets_raw


def test_openzeppelin_gives_nothing_for_a_unit_and_solmate_refuses() -> None:
    dear = replace(vault(1, 0), total_supply_raw=10)
    done = ADAPTER.apply(dear, Position(dear.market, 0), Supply(dear.market, usdc(5)))
    assert (done.held.is_empty, done.moved) == (True, (usdc(-5),))
    nothing = ADAPTER.apply(dear, Position(dear.market, 0), Supply(dear.market, usdc(0)))
    assert (nothing.state, nothing.moved) == (dear, ())
    dear = replace(vault(0, 0), total_supply_raw=10)
    with pytest.raises(ActionRefused, match="nothing"):
        ADAPTER.apply(dear, Position(dear.market, 0), Supply(dear.market, usdc(5)))
    cheap = replace(vault(0, 0), total_assets_raw=10)
    with pytest.raises(ActionRefused, match="nothing"):
        ADAPTER.apply(cheap, Position(cheap.market, 5), Withdraw(cheap.market, Shares(5)))


def test_refuses_what_256_bits_do_not_carry_where_each_kind_does() -> None:
    much_raw = 2**220
    wide, narrow = vault(1, 0), vault(0, 0)
    assert shares_of_assets_down(wide, much_raw) > 0
    with pytest.raises(ActionRefused, match="256"):
        shares_of_assets_down(narrow, much_raw)
    with pytest.raises(ActionRefused, match="256"):
        shares_of_assets_down(replace(wide, total_assets_raw=0), much_raw)
    full = replace(wide, total_supply_raw=MAX_UINT256 - 2, total_assets_raw=MAX_UINT256 - 3)
    assert ADAPTER.apply(full, Position(full.market, 0), Supply(full.market, usdc(2))).held.shares_raw == 2
    with pytest.raises(ActionRefused, match="shares would pass"):
        ADAPTER.apply(full, Position(full.market, 0), Supply(full.market, usdc(3)))


def test_shares_without_assets_have_no_price_in_a_vault_without_virtual_ones() -> None:
    with pytest.raises(ActionRefused, match="no assets"):
        shares_of_assets_down(replace(vault(0, 0), total_assets_raw=0), 1)
    assert assets_of_shares_down(replace(vault(0, 0), total_assets_raw=0), 1) == 0


@EACH
def test_time_moves_the_clock_and_nothing_else(state: Vault) -> None:
    assert ADAPTER.accrue(state, 60) == replace(state, timestamp=NOW + 60)
    columns = ADAPTER.columns(state)
    assert math.isnan(columns.supply_apr)
    assert (columns.supplied, columns.available) == (10_000_000.000007, 6_000_000.0)


def test_has_no_word_for_everything_and_knows_no_other_action() -> None:
    assert ADAPTER.everything(Position(market(), 5)) == Shares(5)
    for action in (Withdraw(market(), ALL), Borrow(market(), usdc(1)), Supply(market(), Amount(DAI, 1))):
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)
        with pytest.raises(ActionRefused):
            ADAPTER.apply(vault(), Position(market(), 10**9), action)


def test_approves_exactly_what_it_deposits_and_reads_its_own_bytes_only() -> None:
    approval, deposit = ADAPTER.encode(Supply(market(), usdc(7)), ACCOUNT)
    assert approval == erc20.approve_exactly(usdc(7), market().address)
    parse = partial(ADAPTER.parse, account=ACCOUNT, markets=(market(),))
    assert parse(deposit) == Supply(market(), usdc(7))
    for action in (Withdraw(market(), usdc(7)), Withdraw(market(), Shares(7))):
        (call,) = ADAPTER.encode(action, ACCOUNT)
        assert parse(call) == action
        assert ADAPTER.parse(call, STRANGER, (market(),)) is None
        for at in (36 + 31, 68 + 31):  # receiver, then owner
            other = bytes([*call.data[:at], call.data[at] ^ 1, *call.data[at + 1 :]])
            assert parse(replace(call, data=other)) is None
