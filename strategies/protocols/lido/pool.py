"""Lido's pool of ether, and what it, its queue and its wrapper do to an account; a formula is named by its contract's function.

Refuses what the contracts revert on. The stake limit stands as it was read, although it grows with each block."""

from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import Amount, Asset, Market, Position, Request
from strategies.errors import ActionRefused, InsufficientBalance
from strategies.protocols.adapter import Applied
from strategies.units import MAX_UINT256, mul_div_down

LEAST_UNSTAKED_WEI: Final = 100  # WithdrawalQueue.MIN_STETH_WITHDRAWAL_AMOUNT
MOST_UNSTAKED_WEI: Final = 1_000 * 10**18  # WithdrawalQueue.MAX_STETH_WITHDRAWAL_AMOUNT


@dataclass(frozen=True, slots=True)
class StakingPool:
    """What Lido keeps, true at `timestamp`. The share rate is ether over shares, without what stands outside in vaults."""

    market: Market
    timestamp: int
    ether_wei: int
    shares_raw: int
    stake_limit_wei: int  # the largest number: none; 0: exhausted or paused
    stopped: bool
    queue_paused: bool
    last_request_id: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the oracle says once a day; the fee is a part of `precision`."""

    rewards_wei: int
    shares_burnt_raw: int
    ether_locked_wei: int
    total_fee: int
    precision: int


def ether_of_down(state: StakingPool, shares_raw: int) -> int:
    """StETH.getPooledEthByShares."""
    return mul_div_down(shares_raw, state.ether_wei, state.shares_raw)


def shares_of_down(state: StakingPool, ether_wei: int) -> int:
    """StETH.getSharesByPooledEth."""
    return mul_div_down(ether_wei, state.shares_raw, state.ether_wei)


def fee_shares_down(state: StakingPool, report: Report) -> int:
    """The shares made for the fee, none where nothing was earned (Accounting._calculateFees)."""
    if report.rewards_wei <= 0:
        return 0
    fee = report.rewards_wei * report.total_fee
    ether_after_wei = state.ether_wei + report.rewards_wei - report.ether_locked_wei
    kept_raw = state.shares_raw - report.shares_burnt_raw
    return mul_div_down(fee, kept_raw, ether_after_wei * report.precision - fee)


def rebased(state: StakingPool, report: Report) -> StakingPool:
    """The pool after a report (Accounting.handleOracleReport). Raises ActionRefused where nothing would be left."""
    ether_wei = state.ether_wei + report.rewards_wei - report.ether_locked_wei
    shares_raw = state.shares_raw - report.shares_burnt_raw
    if ether_wei <= 0 or shares_raw <= 0:
        raise ActionRefused(market_id=state.market.id, why="a report that leaves no ether or no share")
    return replace(state, ether_wei=ether_wei, shares_raw=shares_raw + fee_shares_down(state, report))


def stake(state: StakingPool, held: Position, amount: Amount) -> Applied[StakingPool]:
    """Lido._submit."""
    if amount.raw <= 0:
        raise refused(state, "nothing is staked")
    if amount.raw > state.stake_limit_wei:
        raise refused(state, f"the stake limit is {state.stake_limit_wei} now")
    shares_raw = shares_of_down(state, amount.raw)
    left_wei = state.stake_limit_wei - (amount.raw if state.stake_limit_wei != MAX_UINT256 else 0)
    after = replace(
        state, ether_wei=state.ether_wei + amount.raw, shares_raw=state.shares_raw + shares_raw, stake_limit_wei=left_wei
    )
    return Applied(after, replace(held, shares_raw=held.shares_raw + shares_raw), (Amount(amount.asset, -amount.raw),))


def unstake(state: StakingPool, held: Position, raw: int) -> Applied[StakingPool]:
    """WithdrawalQueue.requestWithdrawals of one amount: as many whole shares leave as it is worth, rounded down."""
    if state.queue_paused:
        raise refused(state, "the withdrawal queue is paused")
    if not LEAST_UNSTAKED_WEI <= raw <= MOST_UNSTAKED_WEI:
        raise refused(state, f"{raw} is out of {LEAST_UNSTAKED_WEI} to {MOST_UNSTAKED_WEI}")
    shares_raw = _leaving(state, held, raw)
    request = Request(state.last_request_id + 1, raw, shares_raw, is_claimable=False)
    after = replace(state, last_request_id=request.id)
    mine = replace(held, shares_raw=held.shares_raw - shares_raw, requests=(*held.requests, request))
    return Applied(after, mine, ())


def claim(state: StakingPool, held: Position, request_id: int) -> Applied[StakingPool]:
    """WithdrawalQueue.claimWithdrawal; it works while everything else is paused."""
    request = next((one for one in held.requests if one.id == request_id), None)
    if request is None or not request.is_claimable:
        raise refused(state, f"request {request_id} is not the account's, or not finalised")
    mine = replace(held, requests=tuple(one for one in held.requests if one is not request))
    return Applied(state, mine, _moved(state.market.asset, request.amount_raw))


def wrap(state: StakingPool, held: Position, raw: int) -> Applied[StakingPool]:
    """WstETH.wrap: one wrapped unit a share."""
    if raw <= 0:
        raise refused(state, "nothing is wrapped")
    shares_raw = _leaving(state, held, raw)
    mine = replace(held, shares_raw=held.shares_raw - shares_raw)
    return Applied(state, mine, _moved(tokens(state.market)[1], shares_raw))


def unwrap(state: StakingPool, held: Position, amount: Amount) -> Applied[StakingPool]:
    """WstETH.unwrap: rounded down to stETH and again to shares, so a share may stay behind."""
    if amount.raw <= 0:
        raise refused(state, "nothing is unwrapped")
    if state.stopped:
        raise refused(state, "Lido is stopped")
    shares_raw = shares_of_down(state, ether_of_down(state, amount.raw))
    return Applied(state, replace(held, shares_raw=held.shares_raw + shares_raw), _moved(amount.asset, -amount.raw))


def _leaving(state: StakingPool, held: Position, raw: int) -> int:
    """The shares that a transfer of so much stETH takes (StETH._transfer)."""
    if state.stopped:
        raise refused(state, "Lido is stopped")
    shares_raw = shares_of_down(state, raw)
    if shares_raw > held.shares_raw:
        raise InsufficientBalance(what=f"shares in {state.market.id}", wanted_raw=shares_raw, available_raw=held.shares_raw)
    return shares_raw


def tokens(market: Market) -> tuple[Asset, Asset]:
    """stETH and wstETH, which the deployment lists in this order. Raises ValueError where they are not the pinned contracts."""
    steth, wsteth = market.others
    if (steth.address, wsteth.address) != (market.address, market.contract("wsteth")):
        raise ValueError(f"{market.id} does not list its stETH and wstETH as its other assets")
    return steth, wsteth


def _moved(asset: Asset, raw: int) -> tuple[Amount, ...]:
    return (Amount(asset, raw),) if raw else ()


def refused(state: StakingPool, why: str) -> ActionRefused:
    return ActionRefused(market_id=state.market.id, why=why)
