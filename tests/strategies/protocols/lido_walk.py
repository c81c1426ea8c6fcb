"""Lido's stand-ins on the in-process chain, and seeded choices for walking them: who acts, when, how much."""

import random
from dataclasses import dataclass
from typing import Final

from agent.devnet.lido import FEE, REPORT
from strategies.domain import Address, Amount, Claim, MarketAction, Position, Stake, Staking, Unstake, Unwrap, Wrap
from strategies.protocols import lido
from strategies.protocols.adapter import Call
from strategies.protocols.lido import Lido, pool
from strategies.protocols.lido.pool import LEAST_UNSTAKED_WEI, MOST_UNSTAKED_WEI, StakingPool
from strategies.units import MAX_UINT256
from tests.evm import Evm, Outcome
from tests.strategies.protocols.differential import Rules, Scene, Walk

ADAPTER: Final = Lido()
KINDS: Final = (Stake, Unstake, Claim, Wrap, Unwrap)
MARKET: Final = "lido:stETH"
ETHER: Final = 10**18
RATE: Final = 10**27
PURSE_WEI: Final = 10**30  # more than any walk spends


def act(evm: Evm, account: Address, action: MarketAction) -> Outcome:
    assert isinstance(action, Staking)
    return evm.send(account, written(action, account))


def written(action: Staking, account: Address) -> Call:
    """The call of an action; also of amounts that the adapter does not write and a person may still send."""
    market = action.market
    match action:
        case Stake(amount=amount):
            return Call(market.address, lido.SUBMIT.encode(lido.NOBODY), amount.raw)
        case Unstake(amount=amount):
            data = lido.REQUEST_WITHDRAWALS.encode(lido.ARRAY_AT, account, lido.ONE_ELEMENT, amount.raw)
            return Call(market.contract("queue"), data)
        case Claim(request_id=request_id):
            return Call(market.contract("queue"), lido.CLAIM_WITHDRAWAL.encode(request_id))
        case Wrap(amount=amount):
            return Call(market.contract("wsteth"), lido.WRAP.encode(amount.raw))
        case Unwrap(amount=amount):
            return Call(market.contract("wsteth"), lido.UNWRAP.encode(amount.raw))


RULES: Final = Rules(
    adapter=ADAPTER,
    act=act,
    assets=lambda market: (market.asset, pool.tokens(market)[1]),
    further=ADAPTER.further_holding_reads,
)


def scene(evm: Evm, market_id: str) -> Scene[StakingPool]:
    """Everybody has ether, and lets queue and wrapper take stETH."""
    market, accounts = evm.market(market_id), tuple(evm.actors[name] for name in ("lender", "borrower", "stranger"))
    for account in accounts:
        evm.give_ether(account, PURSE_WEI)
        for role in ("queue", "wsteth"):
            approval = ("approve(address,uint256)", market.contract(role), MAX_UINT256)
            evm.transact(account, market.address, *approval)
    seconds = (0, 1, 12, 3_600, 86_400, 30 * 86_400)
    return Scene(evm=evm, market=market, rules=RULES, accounts=accounts, exposed=accounts, seconds=seconds, disturbed=0.2)


def walk_of(evm: Evm, market_id: str, seed: int) -> Walk[StakingPool]:
    of = scene(evm, market_id)
    return Walk(of, Dice(of, random.Random(seed)))


def govern(evm: Evm, target: Address, signature: str, *arguments: object, value_wei: int = 0) -> None:
    evm.transact(evm.actors["deployer"], target, signature, *arguments, value_wei=value_wei)


@dataclass(frozen=True, slots=True)
class Dice:
    """Lido and the numbers that are thrown for it."""

    scene: Scene[StakingPool]
    random: random.Random

    def action(self, state: StakingPool, account: Address, held: Position) -> MarketAction:
        market, throw, kind = state.market, self.random, self.random.choice(KINDS)
        steth, wsteth = pool.tokens(market)
        wrapped_raw = self.scene.balances(account)[wsteth]
        worth_wei = pool.ether_of_down(state, held.shares_raw)
        if kind is Claim:
            known = [request.id for request in held.requests] * 4
            return Claim(market, throw.choice((*known, 1, state.last_request_id, state.last_request_id + 1)))
        if kind is Stake:
            limit_wei = state.stake_limit_wei if state.stake_limit_wei < 10**24 else 1_000 * ETHER
            return Stake(market, Amount(market.asset, self.drawn(100 * ETHER, (limit_wei, limit_wei + 1, limit_wei - 1))))
        if kind is Unwrap:
            return Unwrap(market, Amount(wsteth, self.drawn(wrapped_raw, (wrapped_raw, wrapped_raw - 1, wrapped_raw // 2))))
        edges = (worth_wei, worth_wei + 1, worth_wei + 2, worth_wei - 1)
        if kind is Wrap:
            return Wrap(market, Amount(steth, self.drawn(worth_wei // 4, edges)))
        bounds = (LEAST_UNSTAKED_WEI, LEAST_UNSTAKED_WEI - 1, MOST_UNSTAKED_WEI, MOST_UNSTAKED_WEI + 1)
        return Unstake(market, Amount(steth, self.drawn(min(worth_wei // 4, MOST_UNSTAKED_WEI), (*edges, *bounds))))

    def drawn(self, around_raw: int, edges: tuple[int, ...]) -> int:
        """Mostly something ordinary below a figure; else an edge, or next to nothing."""
        ordinary = tuple(int(around_raw * self.random.random()) for _ in range(10))
        return max(self.random.choice((*ordinary, *edges, 0, 1, self.random.randint(2, 9))), 0)

    def disturb(self, state: StakingPool) -> None:
        """The oracle reports, a limit changes or grows with blocks, something is paused, or vaults outside make shares."""
        throw, evm, steth, queue = self.random, self.scene.evm, state.market.address, state.market.contract("queue")
        closed = state.stopped or state.queue_paused or state.stake_limit_wei == 0
        match throw.randrange(10) if not closed or throw.random() < 0.3 else 7:
            case 0 | 1 | 2 | 3:
                self.report(state)
            case 4:
                limit_wei = throw.choice((200 * ETHER, 10**21, 5))
                govern(evm, steth, "setStakingLimit(uint256,uint256)", limit_wei, limit_wei // 6_400)
            case 5:
                signature = throw.choice(("stop()", "pauseStaking()"))
                govern(evm, steth, signature)
            case 6:
                govern(evm, queue, "setPaused(bool)", True)
            case 7:
                govern(evm, steth, "resume()")
                govern(evm, steth, "removeStakingLimit()")
                govern(evm, queue, "setPaused(bool)", False)
            case 8:
                evm.number += throw.randint(1, 900)
            case _:
                govern(evm, steth, "mintExternalShares(address,uint256)", evm.actors["treasury"], throw.randint(1, 10**19))

    def report(self, state: StakingPool) -> None:
        """A day of rewards or losses, with some of the queue met at the rate of now, a better or a worse one."""
        throw, evm, queue = self.random, self.scene.evm, state.market.contract("queue")
        rewards_wei = throw.choice((0, 1, throw.randint(1, 3 * ETHER), -throw.randint(1, 5 * ETHER)))
        (met,) = evm.read(queue, "getLastFinalizedRequestId()", "(uint256)")
        last_id = throw.randint(met + 1, state.last_request_id) if state.last_request_id > met else 0
        rate = state.ether_wei * RATE // state.shares_raw * throw.choice((10_000, 10_000, 9_990, 10_010)) // 10_000
        arguments = (rewards_wei, last_id if throw.random() < 0.8 else 0, rate, 0, throw.choice((0, 1, FEE)))
        govern(evm, state.market.address, REPORT, *arguments, value_wei=max(rewards_wei, 0))
