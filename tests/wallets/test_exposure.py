"""Limits on what everything depends on: each lets one case pass and refuses its twin, and none of them keeps the way out shut."""

from dataclasses import replace
from typing import Any

import pytest

from strategies.domain import ALL, Amount, Market, Portfolio, Position, Repay, Revoke, Supply, Withdraw
from strategies.protocols.compound_v3 import comet
from strategies.units import WAD
from tests.strategies.protocols.compound_v3_case import COMET, borrower, comet_state
from tests.wallets.cases import AAVE_USDC, AAVE_WETH, STRANGER, WETH, case, usdc, weth
from tests.wallets.trades import DAI, FUNDED, TRADING, swap, trading
from tests.worlds import ETHER, ONE, USDC
from wallets.case import Case
from wallets.exposure import repays_what_is_owed, within_exposure

# The funds: 50,000 USDC, 10 WETH, 1 ETH and 5,000 DAI, 88,000 dollars in all.


def found(of: Case) -> list[str]:
    return [reason.rule for reason in within_exposure(of)]


def text(of: Case) -> str:
    return " | ".join([reason.text for reason in within_exposure(of)])


def limited(*actions: Any, **changes: Any) -> Case:
    return trading(*actions, tables={"concentration": changes.pop("concentration", {})}, **changes)


@pytest.mark.parametrize(("whole", "refused"), [(22_000, False), (22_001, True)])
def test_no_protocol_gets_more_than_its_part_of_everything(whole: int, refused: bool) -> None:
    made = limited(Supply(AAVE_USDC, usdc(whole)), concentration={"max_protocol_bps": 2_500})
    assert found(made) == ["concentration"] * refused
    assert ("protocol aave_v3" in text(made)) == refused


def test_two_markets_of_one_protocol_count_together() -> None:
    both = (Supply(AAVE_USDC, usdc(20_000)), Supply(AAVE_WETH, weth(5)))
    assert found(limited(*both, concentration={"max_protocol_bps": 4_000})) == []  # 35,000 of 88,000
    assert found(limited(*both, concentration={"max_protocol_bps": 3_900})) == ["concentration"]


def test_what_a_vault_lends_to_counts_for_the_vault_too() -> None:
    vault = replace(ONE, wraps=(AAVE_USDC,))
    markets = tuple(vault if market == ONE else market for market in TRADING.markets)
    made = limited(Supply(ONE, usdc(10_000)), concentration={"max_protocol_bps": 2_400})
    held = replace(FUNDED, positions=(Position(AAVE_USDC, 15_000 * 10**6),))
    beside = limited(Supply(ONE, usdc(10_000)), concentration={"max_protocol_bps": 2_400}, portfolio=held)
    assert found(made) == found(beside) == []
    through = _with_market(beside, vault)
    assert through.deployment.markets == markets
    assert found(through) == ["concentration"]
    assert "protocol aave_v3" in text(through)


def test_an_assets_forms_are_one_asset() -> None:
    bought = swap(9_000, 2_995 * WAD // 1_000)  # 3 ether more: with the coin 42,000 of 88,000
    assert found(limited(bought, concentration={"max_asset_bps": 4_800})) == []
    made = limited(bought, concentration={"max_asset_bps": 4_700})
    assert found(made) == ["concentration"]
    apart = replace(made.deployment, families={WETH.address: "wrapped", ETHER.address: "coin"})
    assert found(replace(made, deployment=apart)) == []
    with_dai = replace(made.deployment, families={WETH.address: "money", DAI.address: "money"})  # 44,000
    assert "asset money" in text(replace(made, deployment=with_dai))


def test_an_issuer_answers_for_all_it_issued() -> None:
    made = limited(Supply(ONE, usdc(1_000)), concentration={"max_issuer_bps": 3_000})
    assert found(made) == []  # what is idle was USDC before
    curated = replace(made.deployment, issuers={ONE.address: "curator"})
    assert found(replace(made, deployment=curated)) == []
    large = limited(Supply(ONE, usdc(30_000)), concentration={"max_issuer_bps": 3_000})
    assert found(replace(large, deployment=curated)) == ["concentration"]
    assert "issuer curator" in text(replace(large, deployment=curated))


def test_dollars_are_capped_by_protocol_and_by_issuer() -> None:
    made = trading(Supply(AAVE_USDC, usdc(20_000)))
    tight = made.policy.model_copy(update={"max_protocol_usd": 19_999})
    assert found(made) == []
    assert found(replace(made, policy=tight)) == ["cap-protocol"]
    answered = replace(made.deployment, issuers={AAVE_USDC.address: "pool"})
    issuer = made.policy.model_copy(update={"max_issuer_usd": 19_999})
    assert found(replace(made, deployment=answered, policy=issuer)) == ["cap-issuer"]


def test_a_part_that_is_too_large_already_may_shrink_and_may_not_grow() -> None:
    held = replace(FUNDED, positions=(Position(AAVE_USDC, 80_000 * 10**6),))
    tables = {"max_protocol_bps": 2_500}
    assert found(limited(Withdraw(AAVE_USDC, usdc(1_000)), concentration=tables, portfolio=held)) == []
    assert found(limited(Supply(ONE, usdc(1_000)), concentration=tables, portfolio=held)) == []
    assert found(limited(Supply(AAVE_USDC, usdc(1)), concentration=tables, portfolio=held)) == ["concentration"]


def test_no_part_keeps_the_way_out_shut() -> None:
    held = replace(FUNDED, positions=(Position(AAVE_USDC, 20_000 * 10**6, 1_000 * 10**6),))
    for action in (Withdraw(AAVE_USDC, ALL), Repay(AAVE_USDC, usdc(100)), Revoke(USDC, STRANGER)):
        narrow = {"max_protocol_bps": 1, "max_asset_bps": 1, "max_issuer_bps": 1}
        assert found(limited(action, concentration=narrow, portfolio=held)) == []


def test_what_has_no_price_makes_every_other_part_larger() -> None:
    made = limited(Supply(AAVE_USDC, usdc(22_000)), concentration={"max_protocol_bps": 2_500})
    quotes = tuple(quote for quote in made.reading.quotes if quote.asset.symbol != "DAI")
    assert found(made) == []
    assert found(replace(made, reading=replace(made.reading, quotes=quotes))) == ["concentration"]


def test_debts_are_taken_from_everything() -> None:
    debt = replace(FUNDED, positions=(Position(AAVE_USDC, 0, 40_000 * 10**6),))
    plain = limited(Supply(ONE, usdc(10_000)), concentration={"max_protocol_bps": 1_500})
    assert found(plain) == []
    assert found(limited(Supply(ONE, usdc(10_000)), concentration={"max_protocol_bps": 1_500}, portfolio=debt)) == [
        "concentration"
    ]


def _with_market(made: Case, changed: Market) -> Case:
    """The same case where a market is another."""
    markets = tuple(changed if market.id == changed.id else market for market in made.deployment.markets)
    assert made.steps is not None
    last = made.steps[-1]
    positions = tuple(
        replace(held, market=changed) if held.market.id == changed.id else held for held in last.portfolio.positions
    )
    steps = (*made.steps[:-1], replace(last, portfolio=replace(last.portfolio, positions=positions)))
    return replace(made, deployment=replace(made.deployment, markets=markets), steps=steps)


def test_collateral_counts_for_its_asset() -> None:
    backing = replace(FUNDED, positions=(Position(ONE, 0, collateral=(Amount(WETH, 10 * WAD),)),))
    bought = swap(3_000, WAD * 996 // 1_000)
    assert found(limited(bought, concentration={"max_asset_bps": 5_000})) == []
    assert found(limited(bought, concentration={"max_asset_bps": 5_000}, portfolio=backing)) == ["concentration"]


def repaying(debt_raw: int, raw: int) -> Case:
    """A case in a Comet, which takes what is above a debt as a supply."""
    state = comet_state()
    seen = replace(trading().reading, states=(state,), quotes=(), timestamp=state.timestamp)
    return case(
        [Repay(COMET, Amount(COMET.asset, raw))],
        deployment=replace(TRADING, assets=(COMET.asset, *COMET.others), markets=(COMET,)),
        seen=seen,
        portfolio=Portfolio((Amount(COMET.asset, 10**12),), (borrower(debt_raw),)),
    )


@pytest.mark.parametrize(
    ("debt_raw", "above_raw", "refused"),
    [(10**9, 0, False), (10**9, 10_000, False), (10**9, 10**8, True), (0, 100, True), (0, 10**10, True)],
)
def test_a_supply_does_not_pass_the_limits_as_a_repayment(debt_raw: int, above_raw: int, refused: bool) -> None:
    state = comet_state()
    owed_raw = comet.owed_raw(comet.accrued(state), borrower(debt_raw))
    made = repaying(debt_raw, owed_raw + above_raw)
    assert made.after is not None, made.expected_error
    assert within_exposure(made) == ()  # who repays is asked nothing else
    assert [reason.rule for reason in repays_what_is_owed(made)] == ["plan"] * refused


def test_a_repayment_that_a_market_takes_no_more_of_than_is_owed_may_be_ample() -> None:
    owing = replace(FUNDED, positions=(Position(AAVE_USDC, 0, 1_000 * 10**6),))
    made = trading(Repay(AAVE_USDC, usdc(2_000)), Revoke(USDC, AAVE_USDC.address), portfolio=owing)
    assert made.after is not None, made.expected_error
    assert repays_what_is_owed(made) == ()
