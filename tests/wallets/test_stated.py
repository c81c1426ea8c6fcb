"""What a client says in words against what its bytes do."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Action, Shares, Supply, Transfer, Withdraw
from strategies.units import WAD
from tests.wallets.cases import AAVE_USDC, AAVE_WETH, TREASURY, usdc
from tests.wallets.trades import DAI, holding, swap, trading
from tests.worlds import ONE, USDC
from wallets.stated import as_stated, stated_raw
from wallets.wallet import Stated


def rules(*actions: Action, said: tuple[Stated, ...], **changes: Any) -> list[str]:
    return [reason.rule for reason in as_stated(trading(*actions, stated=said, **changes))]


@pytest.mark.parametrize(("text", "refused"), [("1000", False), ("1000.0", False), ("1000.0000009", False), ("1001", True)])
def test_an_amount_is_the_stated_one_in_the_assets_own_decimals(text: str, refused: bool) -> None:
    assert rules(Supply(AAVE_USDC, usdc(1_000)), said=(Stated("supply", "USDC", text),)) == ["units"] * refused


def test_a_unit_slip_is_found_either_way() -> None:
    said = (Stated("supply", "USDC", "1000"),)
    raw = Supply(AAVE_USDC, type(usdc(1))(USDC, 1_000))
    assert rules(raw, said=said) == ["units"]
    assert rules(Supply(AAVE_USDC, type(usdc(1))(USDC, 10**21)), said=said) == ["units"]


@pytest.mark.parametrize("text", ["1e3", "-1", "nan", "Infinity", "1_000", "", ".", "１０００", "1,000", " 1000"])
def test_what_is_no_plain_decimal_states_nothing(text: str) -> None:
    assert rules(Supply(AAVE_USDC, usdc(1_000)), said=(Stated("supply", "USDC", text),)) == ["units"]


@pytest.mark.parametrize(
    "said",
    [
        (Stated("withdraw", "USDC", "1000"),),
        (Stated("supply", "DAI", "1000"),),
        (Stated("supply", "USDC", "1000"), Stated("supply", "USDC", "1")),
    ],
)
def test_another_action_asset_or_number_of_them_is_refused(said: tuple[Stated, ...]) -> None:
    assert rules(Supply(AAVE_USDC, usdc(1_000)), said=said) == ["stated"]


def test_a_transfer_that_nobody_stated_is_refused() -> None:
    said = (Stated("supply", "USDC", "1000"),)
    assert rules(Supply(AAVE_USDC, usdc(1_000)), Transfer(usdc(1), TREASURY), said=said) == ["stated"]


def test_dollars_are_held_against_the_oracles() -> None:
    sends = Transfer(type(usdc(1))(DAI, 310 * WAD), TREASURY)
    assert rules(sends, said=(Stated("transfer", "DAI", amount_usd="310"),)) == []
    assert rules(sends, said=(Stated("transfer", "DAI", amount_usd="15000"),)) == ["units"]
    assert rules(sends, said=(Stated("transfer", "DAI", amount_usd="all"),)) == ["units"]


def test_shares_and_everything_are_worth_what_is_stated() -> None:
    made = trading(Withdraw(ONE, ALL), portfolio=holding(ONE, 2_000 * 10**6), stated=(Stated("withdraw", "USDC", "1000"),))
    for amount, refused in ((Shares(1_000 * 10**6), False), (Shares(1_250 * 10**6), True), (ALL, True)):
        found = as_stated(replace(made, actions=(Withdraw(ONE, amount),)))
        assert [reason.rule for reason in found] == ["units"] * refused
    assert as_stated(replace(made, stated=(Stated("withdraw", "USDC", "2000"),))) == ()


def test_a_trade_states_what_it_gives() -> None:
    trade = swap(3_000, WAD * 996 // 1_000)
    assert rules(trade, said=(Stated("swap", "USDC", "3000"),)) == []
    assert rules(trade, said=(Stated("swap", "USDC", "300"),)) == ["units"]


def test_who_states_nothing_is_held_against_nothing() -> None:
    assert rules(Supply(AAVE_WETH, type(usdc(1))(AAVE_WETH.asset, 1)), said=()) == []


@given(st.integers(0, 10**30), st.integers(0, 10**9))
def test_an_amount_is_rounded_down_never_up(raw: int, dust: int) -> None:
    text = f"{raw // 10**6}.{raw % 10**6:06d}{dust:09d}"
    assert stated_raw(text, USDC) == raw
