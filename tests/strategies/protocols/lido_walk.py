"""Lido's stand-ins on the in-process chain, and seeded choices for walking them: who acts, when, how much. It asserts nothing."""

import random
from dataclasses import dataclass
from typing import Final

from agent.devnet.lido import FEE, REPORT
from strategies.domain import Address, Amount, Claim, Market, Position, Stake, Staking, Unstake, Unwrap, Wrap
from strategies.protocols import erc20, lido
from strategies.protocols.adapter import Call
from strategies.protocols.lido import Lido, pool
from strategies.protocols.lido.pool import LEAST_UNSTAKED_WEI, MOST_UNSTAKED_WEI, StakingPool
from strategies.units import MAX_UINT256
from tests.evm import Evm

ADAPTER: Final = Lido()
KINDS: Final = (Stake, Unstake, Claim, Wrap, Unwrap)
ACTORS: Final = ("lender", "borrower", "stranger")
SECONDS: Final = (0, 1, 12, 3_600, 86_400, 30 * 86_400)
DISTURBED: Final = 0.2
ETHER: Final = 10**18
RATE: Final = 10**27
PURSE_WEI: Final = 10**30  # more than any walk spends


@dataclass(frozen=True, slots=True)
class Step:
    """One action of one account, so many seconds after the last."""

    account: Address
    action: Staking
    seconds: int


class LidoOnChain:
    """The chain with the adapter's eyes and hands."""

    def __init__(self, evm: Evm) -> None:
        self.evm = evm
        deployment = evm.deployment
        self.market: Market = next(market for market in deployment.markets if market.protocol == "lido")
        self.multicall = deployment.multicall
        self.steth, self.wsteth = pool.tokens(self.market)
        self.assets = (self.market.asset, self.wsteth)
        self.accounts = tuple(evm.actors[name] for name in ACTORS)
        for account in self.accounts:
            evm.give_ether(account, PURSE_WEI)
            for role in ("queue", "wsteth"):
                approval = ("approve(address,uint256)", self.market.contract(role), MAX_UINT256)
                evm.transact(account, self.steth.address, *approval)

    def state(self) -> StakingPool:
        return ADAPTER.decode(self.market, self.evm.ask(ADAPTER.reads(self.market)), self.evm.timestamp)

    def position(self, account: Address) -> Position:
        """In as many rounds of questions as it takes."""
        answers = self.answers(account)
        return ADAPTER.holding(self.market, answers)

    def answers(self, account: Address) -> tuple[bytes, ...]:
        answers = self.evm.ask(ADAPTER.holding_reads(self.market, account))
        while further := ADAPTER.further_holding_reads(self.market, answers):
            answers += self.evm.ask(further)
        return answers

    def positions(self) -> dict[Address, Position]:
        return {account: self.position(account) for account in self.accounts}

    def balances(self, account: Address) -> tuple[int, int]:
        """What an account has of ether and of wstETH."""
        reads = [erc20.balance_read(asset, account, self.multicall) for asset in self.assets]
        ether, wrapped = (int.from_bytes(answer, "big") for answer in self.evm.ask(reads))
        return ether, wrapped

    def govern(self, target: Address, signature: str, *arguments: object, value_wei: int = 0) -> None:
        self.evm.transact(self.evm.actors["deployer"], target, signature, *arguments, value_wei=value_wei)


@dataclass(frozen=True, slots=True)
class Dice:
    """Lido and the numbers that are thrown for it."""

    chain: LidoOnChain
    random: random.Random

    def step(self, state: StakingPool, held: dict[Address, Position]) -> Step | None:
        """What happens next; None where it was something else than an action, which then has happened already."""
        if self.random.random() < DISTURBED:
            self.disturb(state)
            return None
        account, seconds = self.random.choice(self.chain.accounts), self.random.choice(SECONDS)
        wrapped = self.chain.balances(account)[1]
        action = self.action(state, held[account], wrapped)
        if isinstance(action, Unwrap) and action.amount.raw > wrapped:
            return None  # the token would refuse, not Lido
        return Step(account, action, seconds)

    def action(self, state: StakingPool, held: Position, wrapped_raw: int) -> Staking:
        """Amounts at and around every edge, and ordinary ones."""
        market, throw = state.market, self.random
        kind = throw.choice(KINDS)
        worth_wei = pool.ether_of_down(state, held.shares_raw)
        if kind is Claim:
            known = [request.id for request in held.requests] * 4
            return Claim(market, throw.choice((*known, 1, state.last_request_id, state.last_request_id + 1)))
        if kind is Stake:
            limit_wei = state.stake_limit_wei if state.stake_limit_wei < 10**24 else 1_000 * ETHER
            return Stake(market, Amount(market.asset, self.drawn(100 * ETHER, (limit_wei, limit_wei + 1, limit_wei - 1))))
        if kind is Unwrap:
            return Unwrap(
                market, Amount(self.chain.wsteth, self.drawn(wrapped_raw, (wrapped_raw, wrapped_raw - 1, wrapped_raw // 2)))
            )
        edges = (worth_wei, worth_wei + 1, worth_wei + 2, worth_wei - 1)
        if kind is Wrap:
            return Wrap(market, Amount(self.chain.steth, self.drawn(worth_wei // 4, edges)))
        bounds = (LEAST_UNSTAKED_WEI, LEAST_UNSTAKED_WEI - 1, MOST_UNSTAKED_WEI, MOST_UNSTAKED_WEI + 1)
        return Unstake(market, Amount(self.chain.steth, self.drawn(min(worth_wei // 4, MOST_UNSTAKED_WEI), (*edges, *bounds))))

    def drawn(self, around_raw: int, edges: tuple[int, ...]) -> int:
        """Mostly something ordinary below a figure; else an edge, or next to nothing."""
        ordinary = tuple(int(around_raw * self.random.random()) for _ in range(10))
        return max(self.random.choice((*ordinary, *edges, 0, 1, self.random.randint(2, 9))), 0)

    def disturb(self, state: StakingPool) -> None:
        """The oracle reports, a limit changes or grows with blocks, something is paused, or vaults outside make shares."""
        throw, chain, steth, queue = self.random, self.chain, self.chain.steth.address, self.chain.market.contract("queue")
        closed = state.stopped or state.queue_paused or state.stake_limit_wei == 0
        match throw.randrange(10) if not closed or throw.random() < 0.3 else 7:
            case 0 | 1 | 2 | 3:
                self.report(state)
            case 4:
                limit_wei = throw.choice((200 * ETHER, 10**21, 5))
                chain.govern(steth, "setStakingLimit(uint256,uint256)", limit_wei, limit_wei // 6_400)
            case 5:
                signature = throw.choice(("stop()", "pauseStaking()"))
                chain.govern(steth, signature)
            case 6:
                chain.govern(queue, "setPaused(bool)", True)
            case 7:
                chain.govern(steth, "resume()")
                chain.govern(steth, "removeStakingLimit()")
                chain.govern(queue, "setPaused(bool)", False)
            case 8:
                chain.evm.number += throw.randint(1, 900)
            case _:
                chain.govern(steth, "mintExternalShares(address,uint256)", chain.accounts[0], throw.randint(1, 10**19))

    def report(self, state: StakingPool) -> None:
        """A day of rewards or losses, with some of the queue met at the rate of now, a better or a worse one."""
        throw, queue = self.random, self.chain.market.contract("queue")
        rewards_wei = throw.choice((0, 1, throw.randint(1, 3 * ETHER), -throw.randint(1, 5 * ETHER)))
        (met,) = self.chain.evm.read(queue, "getLastFinalizedRequestId()", "(uint256)")
        last_id = throw.randint(met + 1, state.last_request_id) if state.last_request_id > met else 0
        rate = state.ether_wei * RATE // state.shares_raw * throw.choice((10_000, 10_000, 9_990, 10_010)) // 10_000
        arguments = (rewards_wei, last_id if throw.random() < 0.8 else 0, rate, 0, throw.choice((0, 1, FEE)))
        self.chain.govern(self.chain.steth.address, REPORT, *arguments, value_wei=max(rewards_wei, 0))


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
