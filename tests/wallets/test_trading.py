"""Rules about trades and prices: each lets one case pass and refuses its twin, by name."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.domain import Action, Amount, Market, Position, Shares, Supply, Swap, SwapFor, Withdraw
from strategies.protocols.erc4626 import Vault, kind_of
from strategies.units import BPS, USD_E8, WAD
from tests.wallets.cases import AAVE_USDC, AAVE_WETH, case, fees, usdc, weth
from tests.wallets.trades import DAI, DAI_POOL, ETHER_POOL, FUNDED, TRADING, back, holding, swap, trading, trading_reading
from tests.worlds import USDC
from wallets import guard
from wallets import trading as rules_of_trade
from wallets.case import Case
from wallets.people import PART_E8, moves_of
from wallets.wallet import Approved, Move, Refused

FAIR = WAD * 9_960 // BPS  # of one ether for 3,000 USDC: 40 bps below the oracles


def rules(check, of: Case) -> list[str]:  # type: ignore[no-untyped-def]
    return [reason.rule for reason in check(of)]


def test_a_fair_trade_is_approved_and_remembered_with_its_worst_loss() -> None:
    verdict = guard.judge(trading(swap(3_000, FAIR)))
    assert isinstance(verdict, Approved), verdict
    (move,) = verdict.moves
    assert (move.place, move.way, move.usd_e8, move.loss_e8) == (ETHER_POOL.id, "trade", 3_000 * USD_E8, PART_E8 * 40 // BPS)
    assert move.pair == "USDC>WETH"


@pytest.mark.parametrize(("least_bps", "refused"), [(9_950, False), (9_949, True), (0, True)])
def test_the_least_outcome_is_near_what_the_oracles_say(least_bps: int, refused: bool) -> None:
    made = trading(swap(3_000, WAD * least_bps // BPS))
    assert rules(rules_of_trade.least_is_fair, made) == ["slippage"] * refused
    assert isinstance(guard.judge(made), Refused) == refused


def test_an_exact_outcome_may_cost_no_more_than_the_slippage_above_it() -> None:
    later = trading().now + 600
    fair = SwapFor(ETHER_POOL, usdc(3_014), weth(1), later)
    dear = SwapFor(ETHER_POOL, usdc(3_100), weth(1), later)
    assert rules(rules_of_trade.least_is_fair, trading(fair)) == []
    assert rules(rules_of_trade.least_is_fair, trading(dear)) == ["slippage"]


def test_what_has_no_price_is_not_traded_for() -> None:
    seen = trading_reading()
    blind = replace(seen, quotes=tuple(quote for quote in seen.quotes if quote.asset != DAI))
    for_dai = Swap(DAI_POOL, usdc(100), Amount(DAI, 99 * WAD), seen.timestamp + 60)
    assert rules(rules_of_trade.least_is_fair, trading(for_dai)) == ["slippage"]
    assert "price" in rules(rules_of_trade.least_is_fair, trading(for_dai, seen=blind))


def test_a_days_losses_have_a_budget_whatever_each_trade_may_lose() -> None:
    made = trading(swap(3_000, FAIR))
    own = next(iter(moves_of(made)))
    earlier = [Move(f"p{at}", ETHER_POOL.id, "trade", 0, PART_E8 * 40 // BPS, "", made.now - 3_600) for at in range(3)]
    assert own.loss_e8 == PART_E8 * 40 // BPS
    assert rules(rules_of_trade.within_loss_budget, replace(made, past=tuple(earlier[:2]))) == []
    assert rules(rules_of_trade.within_loss_budget, replace(made, past=tuple(earlier))) == ["loss"]
    still = trading(Supply(AAVE_USDC, usdc(1)), past=tuple(earlier) * 9)
    assert rules(rules_of_trade.within_loss_budget, still) == []


@pytest.mark.parametrize(("pool_usd", "refused"), [(3_000, False), (3_055, False), (2_945, False), (3_070, True), (2_930, True)])
def test_a_pool_that_is_traded_through_is_near_the_oracles(pool_usd: float, refused: bool) -> None:
    made = trading(swap(3_000, FAIR), seen=trading_reading(pool_usd=pool_usd))
    assert rules(rules_of_trade.prices_agree, made) == ["price"] * refused


def test_an_oracle_that_lost_its_mind_is_caught_by_the_pool() -> None:
    cheap = trading(back(7 * WAD, 697), seen=trading_reading(ether_usd=0.0001))
    assert "price" in rules(rules_of_trade.prices_agree, cheap)
    assert isinstance(guard.judge(cheap), Refused)


def test_spending_anything_else_needs_one_pool_that_agrees() -> None:
    apart = trading_reading(pool_usd=2_000)
    assert rules(rules_of_trade.prices_agree, trading(Supply(AAVE_USDC, usdc(1)), seen=apart)) == []  # the DAI pool agrees
    assert rules(rules_of_trade.prices_agree, trading(Supply(AAVE_WETH, weth(1)), seen=apart)) == ["price"]
    assert rules(rules_of_trade.prices_agree, trading(Withdraw(AAVE_WETH, weth(1)), seen=apart)) == []


def test_pools_are_asked_only_where_the_policy_names_them() -> None:
    made = trading(swap(3_000, FAIR), seen=trading_reading(pool_usd=2_000))
    alone = replace(made, policy=made.policy.model_copy(update={"price_sources": ("oracle",)}))
    assert rules(rules_of_trade.prices_agree, alone) == []


def test_a_pool_that_was_not_read_is_no_pool_that_agrees() -> None:
    seen = trading_reading()
    blind = replace(seen, states=(*seen.states[:3], None, seen.states[4]))
    verdict = guard.judge(replace(trading(swap(3_000, FAIR)), reading=blind))
    assert isinstance(verdict, Refused)
    assert "prices-agree" in {reason.rule for reason in verdict.reasons}


def test_nothing_new_goes_into_what_lost_its_peg_and_what_is_there_comes_out() -> None:
    tables = {"exchange": {"min_peg_bps": 9_800}}
    broken = trading_reading(dai_usd=0.97, dai_pool_usd=0.97)
    into = Swap(DAI_POOL, usdc(97), Amount(DAI, 100 * WAD), broken.timestamp + 60)
    out = Swap(DAI_POOL, Amount(DAI, 100 * WAD), usdc(97), broken.timestamp + 60)
    assert rules(rules_of_trade.on_peg, trading(into, seen=broken, tables=tables)) == ["peg"]
    assert rules(rules_of_trade.on_peg, trading(out, seen=broken, tables=tables)) == []
    whole = trading_reading(dai_usd=0.98, dai_pool_usd=0.98)
    assert rules(rules_of_trade.on_peg, trading(into, seen=whole, tables=tables)) == []


@pytest.mark.parametrize(("late_seconds", "refused"), [(0, False), (1_200, False), (1_201, True), (-1, True), (600_000, True)])
def test_a_trade_is_mined_soon_or_never(late_seconds: int, refused: bool) -> None:
    made = trading(swap(3_000, FAIR))
    trade = swap(3_000, FAIR, late_seconds=late_seconds)
    actions = tuple(trade if isinstance(action, Swap) else action for action in made.actions)
    assert rules(rules_of_trade.in_time, replace(made, actions=actions)) == ["deadline"] * refused


def test_a_trade_is_planned_on_a_block_of_just_now() -> None:
    made = trading(swap(3_000, FAIR))
    later = replace(made.reading, block=made.plan_block + 5)
    assert rules(rules_of_trade.in_time, replace(made, reading=later)) == []
    assert rules(rules_of_trade.in_time, replace(made, reading=replace(later, block=made.plan_block + 6))) == ["deadline"]


def test_a_deposit_is_worth_what_it_took() -> None:
    made = trading(Supply(AAVE_USDC, usdc(1_000)))
    assert rules(rules_of_trade.worth_kept, made) == []
    assert made.steps is not None
    robbed = replace(made, steps=(*made.steps[:-1], replace(made.steps[-1], portfolio=FUNDED)))  # a vault that gave no share
    assert rules(rules_of_trade.worth_kept, robbed) == ["worth"]


DEAR_VAULT = Market("vault:USDC", "erc4626", "0x" + "4e" * 20, USDC, (), (), (("decimals_offset", 0), ("virtual_assets", 1)))


def _in_a_dear_vault(*actions: Action) -> Case:
    """A case with ten shares of a vault of 10,000 USDC a share."""
    seen = trading_reading()
    vault = Vault(DEAR_VAULT, kind_of(DEAR_VAULT), seen.timestamp, 10**13 - 1, 999, 10**13 - 1, 2**128)
    return case(
        actions,
        deployment=replace(TRADING, markets=(*TRADING.markets, DEAR_VAULT)),
        seen=replace(seen, states=(*seen.states, vault)),
        portfolio=replace(FUNDED, positions=(Position(DEAR_VAULT, 10),)),
    )


@pytest.mark.parametrize("whole", [9_999, 10_000])
@pytest.mark.parametrize("is_taken_out", [False, True])
def test_what_a_dear_vault_keeps_of_a_deposit_is_not_hidden_by_a_withdrawal(whole: int, is_taken_out: bool) -> None:
    made = _in_a_dear_vault(Supply(DEAR_VAULT, usdc(whole)), *[Withdraw(DEAR_VAULT, Shares(1))] * is_taken_out)
    assert made.expected is not None, made.expected_error
    assert rules(rules_of_trade.worth_kept, made) == ["worth"] * (whole < 10_000)


@pytest.mark.parametrize(
    ("amount", "refused"), [(usdc(1), True), (usdc(10_000), False), (usdc(10_100), True), (Shares(1), False)]
)
def test_an_amount_that_burns_a_dear_share_is_refused_and_the_share_itself_is_not(amount: Amount | Shares, refused: bool) -> None:
    made = _in_a_dear_vault(Withdraw(DEAR_VAULT, amount))
    assert rules(rules_of_trade.worth_kept, made) == ["worth"] * refused
    lent = trading(Withdraw(AAVE_USDC, usdc(1)), portfolio=holding(AAVE_USDC, 5_000 * 10**6))
    assert rules(rules_of_trade.worth_kept, lent) == []


def test_an_asset_whose_oracles_disagree_has_no_price_though_each_names_one() -> None:
    seen = trading_reading()
    silent = replace(seen, quotes=tuple(quote for quote in seen.quotes if quote.asset != USDC))
    disputed = replace(silent, refused=((USDC.symbol, "two oracles are apart"),))
    assert "price" not in _judged(trading(Supply(AAVE_USDC, usdc(1)), seen=silent))
    assert "price" in _judged(trading(Supply(AAVE_USDC, usdc(1)), seen=disputed))


def _judged(made: Case) -> list[str]:
    verdict = guard.judge(made)
    return [reason.rule for reason in verdict.reasons] if isinstance(verdict, Refused) else []


@given(st.integers(1, 40_000), st.integers(0, 3 * WAD), st.integers(0, 3 * WAD))
@settings(max_examples=60, deadline=None)
def test_a_better_least_outcome_is_never_refused_where_a_worse_one_passes(whole: int, one: int, other: int) -> None:
    worse, better = sorted((one, other))
    refused = [bool(rules_of_trade.least_is_fair(_weighed(whole, least))) for least in (worse, better)]
    assert refused[0] >= refused[1]


def _weighed(whole: int, least: int) -> Case:
    made = trading(swap(3_000, FAIR))
    trade = replace(swap(whole, least), amount_in=Amount(USDC, whole * 10**6))
    return replace(made, actions=(trade,), fees=fees(1))
