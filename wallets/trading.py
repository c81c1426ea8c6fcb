"""What a trade and a deposit may lose, and whether the prices they rest on can be believed.

Refuses least amounts too far below what the oracles say, a day's losses above the budget, pools that are not near the oracles,
assets off their peg, late deadlines and old quotes. What only takes back is blocked by none of it, but an amount that would burn
a claim of more worth: everything, and shares, still come out."""

from collections.abc import Iterator
from typing import Final

from strategies.domain import Amount, Asset, Borrow, Market, Supply, Swap, SwapFor, Withdraw
from strategies.protocols import uniswap_router
from strategies.units import BPS, USD_E8, mul_div_down
from wallets.case import Case, Trade, World, price_usd_e8, state_in, state_of, supplied_raw, value_usd_e8
from wallets.people import PART_E8, least_usd_e8, loss_e8
from wallets.steps import worlds
from wallets.wallet import Reason

E8_BPS: Final = PART_E8 // BPS
PROBE_USD: Final = 1_000  # what a pool is held against the oracles with: enough digits for any pair


def least_is_fair(case: Case) -> tuple[Reason, ...]:
    """A trade's least outcome is worth, by the oracles, what it gives less the slippage."""
    limit = case.policy.exchange.max_slippage_bps
    reasons = []
    for at, action in case.trades:
        given, got = _ends(action)
        if price_usd_e8(case, got.asset) is None:
            reasons.append(Reason("price", f"call {at} trades for {got.asset.symbol}, which has no fresh price"))
        elif loss_e8(case, action) > limit * E8_BPS:
            lost = (value_usd_e8(case, given) - least_usd_e8(case, got)) / USD_E8
            text = f"call {at} may lose {lost:,.2f} USD, {loss_e8(case, action) / E8_BPS:,.1f} bps of what it gives"
            reasons.append(Reason("slippage", f"{text}; exchange.max_slippage_bps is {limit}"))
    return tuple(reasons)


def worth_kept(case: Case) -> tuple[Reason, ...]:
    """What is supplied is worth as much afterwards, less the slippage, and an amount that is taken out costs no more of
    a claim: a vault whose shares are too dear takes the rest. Everything, and shares, are taken out at their worth."""
    if case.after is None:
        return ()
    reasons, limit = [], case.policy.exchange.max_slippage_bps
    for market, given_raw, gained_raw in _supplied(case, case.after):
        if gained_raw * BPS < given_raw * (BPS - limit):
            text = (
                f"{market.id} would take {given_raw} base units of {market.asset.symbol} for a claim worth {max(gained_raw, 0)}"
            )
            reasons.append(Reason("worth", f"{text}; exchange.max_slippage_bps is {limit}"))
    for market, lost_raw, got_raw in _withdrawn(case):
        if got_raw * BPS < lost_raw * (BPS - limit):
            text = f"{market.id} would pay {got_raw} base units of {market.asset.symbol} for a claim worth {lost_raw}"
            reasons.append(Reason("worth", f"{text}; exchange.max_slippage_bps is {limit}: name shares, or everything"))
    return tuple(reasons)


def within_loss_budget(case: Case) -> tuple[Reason, ...]:
    """The losses that the day's trades may have made, and this plan's, stay under the budget."""
    if not case.trades:
        return ()
    limit = case.policy.exchange.max_loss_day_bps
    own = sum([loss_e8(case, action) for _, action in case.trades])
    before = sum([move.loss_e8 for move in case.past if move.intent != case.intent])
    if own and before + own > limit * E8_BPS:
        text = f"the plan may lose {own / E8_BPS:,.1f} bps after {before / E8_BPS:,.1f} bps within 24 h"
        return (Reason("loss", f"{text}; exchange.max_loss_day_bps is {limit}"),)
    return ()


def prices_agree(case: Case) -> tuple[Reason, ...]:
    """The pools a trade goes through are near the oracles; of anything else that is spent, one at least of its pools that are
    registered is. What no registered pool trades has its oracles alone."""
    if "exchange" not in case.policy.price_sources:
        return ()
    reasons = [
        Reason("price", f"call {at}: {why}")
        for at, action in case.trades
        for pool in (action.market, *(action.via if isinstance(action, Swap) else ()))
        if (why := _apart(case, pool))
    ]
    trading = {at for at, _ in case.trades}
    for asset in {amount.asset.address: amount.asset for at, amount in case.spending if at not in trading}.values():
        traders = [market for market in case.deployment.markets if market.protocol == uniswap_router.PROTOCOL]
        pools = [pool for pool in traders if asset in (pool.asset, *pool.others)]
        if pools and all(_apart(case, pool) for pool in pools):
            reasons.append(Reason("price", f"no pool agrees with the oracle of {asset.symbol}: {_apart(case, pools[0])}"))
    return tuple(reasons)


def on_peg(case: Case) -> tuple[Reason, ...]:
    """Nothing new goes into an asset that should be worth a dollar and is not."""
    floor, named, reasons = case.policy.exchange.min_peg_bps, case.policy.exchange.pegged, []
    for asset in {asset.address: asset for asset in _entered(case)}.values():
        price = price_usd_e8(case, asset)
        if asset.symbol in named and price is not None and price * BPS < floor * USD_E8:
            text = f"{asset.symbol} is at {price / USD_E8:.4f} USD; exchange.min_peg_bps is {floor}"
            reasons.append(Reason("peg", f"{text}, so nothing new goes into it"))
    return tuple(reasons)


def in_time(case: Case) -> tuple[Reason, ...]:
    """A trade can be mined soon or never, and was planned on a block of just now."""
    limits, reasons = case.policy.exchange, []
    for at, action in case.trades:
        ahead_seconds = action.deadline - case.now
        if not 0 <= ahead_seconds <= limits.max_deadline_seconds:
            text = f"call {at} may be mined until {ahead_seconds} s from now"
            reasons.append(Reason("deadline", f"{text}; exchange.max_deadline_seconds is {limits.max_deadline_seconds}"))
        blocks = case.reading.block - case.plan_block
        if blocks > limits.max_quote_age_blocks:
            text = f"call {at} trades at a quote of {blocks} blocks ago"
            reasons.append(Reason("deadline", f"{text}; exchange.max_quote_age_blocks is {limits.max_quote_age_blocks}"))
    return tuple(reasons)


def _ends(trade: Trade) -> tuple[Amount, Amount]:
    """What a trade gives at most and gets at least."""
    return (trade.amount_in, trade.least_out) if isinstance(trade, Swap) else (trade.most_in, trade.amount_out)


def _entered(case: Case) -> Iterator[Asset]:
    """The assets that a plan puts more trust in."""
    for _, action in case.touching:
        match action:
            case Supply(amount=amount) | Borrow(amount=amount):
                yield amount.asset
            case Swap(least_out=got) | SwapFor(amount_out=got):
                yield got.asset


def _supplied(case: Case, after: World) -> Iterator[tuple[Market, int, int]]:
    """What goes into each market, and what the claim there gains by it: over the whole plan where nothing is taken out of that
    market, else call by call, so that a withdrawal hides no loss."""
    if Supply not in case.kinds:
        return
    own = [action for _, action in case.touching if isinstance(action, Supply) and action.amount.asset == action.market.asset]
    taken = {action.market.id for _, action in case.touching if isinstance(action, Withdraw)}
    start = (case.reading.states, case.portfolio)
    for market in {supply.market.id: supply.market for supply in own if supply.market.id not in taken}.values():
        given_raw = sum([supply.amount.raw for supply in own if supply.market.id == market.id])
        yield market, given_raw, _claim_raw(case, market, after) - _claim_raw(case, market, start)
    if any(supply.market.id in taken for supply in own):
        yield from _one_by_one(case, taken)


def _one_by_one(case: Case, taken: set[str]) -> Iterator[tuple[Market, int, int]]:
    """The same of each supply to one of these markets by itself."""
    for action, before, after in worlds(case):
        if isinstance(action, Supply) and action.market.id in taken and action.amount.asset == action.market.asset:
            gained_raw = _claim_raw(case, action.market, after) - _claim_raw(case, action.market, before)
            yield action.market, action.amount.raw, gained_raw


def _withdrawn(case: Case) -> Iterator[tuple[Market, int, int]]:
    """What each withdrawal of an amount costs of its claim, and the amount."""
    if Withdraw not in case.kinds:
        return
    for action, before, after in worlds(case):
        match action:
            case Withdraw(market=market, amount=Amount(asset=asset, raw=raw)) if asset == market.asset:
                yield market, _claim_raw(case, market, before) - _claim_raw(case, market, after), raw


def _claim_raw(case: Case, market: Market, world: World) -> int:
    """What is supplied to a market, in its asset; what is owed there lessens nothing of it. Raises IncompleteRead."""
    return supplied_raw(state_in(case, world, market), world[1].position(market))


def _apart(case: Case, pool: Market) -> str:
    """Why a pool's price is not the oracles'; empty where it is. Raises IncompleteRead where the pool was not read."""
    state = state_of(case, pool)
    if not isinstance(state, uniswap_router.PoolPrice):
        return f"{pool.id} tells no price"
    one, other = pool.asset, pool.others[0]
    prices = price_usd_e8(case, one), price_usd_e8(case, other)
    if prices[0] is None or prices[1] is None:
        return f"{pool.id} cannot be held against the oracles: {one.symbol if prices[0] is None else other.symbol} has no price"
    probe = Amount(one, mul_div_down(PROBE_USD * USD_E8, 10**one.decimals, prices[0]))
    here = mul_div_down(uniswap_router.mid_raw(state, probe), prices[1], 10**other.decimals)
    there, limit = mul_div_down(probe.raw, prices[0], 10**one.decimals), case.policy.exchange.max_price_gap_bps
    if there and abs(here - there) * BPS <= there * limit:
        return ""
    bps = (here - there) * BPS / there if there else 0.0
    return f"{pool.id} gives {bps:+,.0f} bps of what the oracles say for {one.symbol}; exchange.max_price_gap_bps is {limit}"
