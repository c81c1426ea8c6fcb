"""What an attacker who owns the planner would propose: plans of the closed world, bent in every way that keeps them readable, and
their bytes bent in every way that may not. The dice are seeded, so a run can be had again."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import (
    ALL,
    NATIVE,
    Action,
    Address,
    Amount,
    Approve,
    Asset,
    Borrow,
    Deployment,
    Market,
    Portfolio,
    Repay,
    Revoke,
    SetCollateral,
    Supply,
    Swap,
    SwapFor,
    Transfer,
    Unwrap,
    Withdraw,
    Wrap,
)
from strategies.errors import ProtocolError
from strategies.protocols.adapter import Call
from strategies.protocols.registry import adapter_of, encode
from strategies.units import BPS, MAX_UINT256, USD_E8

LENDING: Final = ("aave_v3", "compound_v3", "metamorpho", "stata")
DEADLINES_SECONDS: Final = (600, 600, 600, 1_200, 1_201, 0, -1, 86_400, 600_000)
SLIPPAGES_BPS: Final = (-20, 0, 5, 30, 49, 50, 50, 50, 51, 60, 300, 10_000)
DOLLARS: Final = (10, 100, 500, 1_000, 1_500, 1_999, 1_999, 1_999, 2_000, 2_001, 5_000, 5_001, 10**6)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Calls, and what the attacker had in mind."""

    kind: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Attacker:
    """Knows the deployment, the account and its funds, and has the dice."""

    deployment: Deployment
    account: Address
    stranger: Address
    dice: random.Random
    price_usd_e8: Callable[[Asset], int]

    def propose(self, held: Portfolio, now: int) -> Proposal:
        """One plan: usually one that would pass, with one thing about it bent."""
        kind = self.dice.choices(
            ["lend", "take", "rotate", "swap", "wrap", "borrow", "give", "leak", "bytes"], [22, 12, 10, 22, 6, 4, 4, 8, 12]
        )[0]
        match kind:
            case "bytes":
                return Proposal(kind, self._bent(self._calls(self._plan("lend", held, now))))
            case "leak":
                return Proposal(kind, self._leaking(held, now))
            case _:
                return Proposal(kind, self._calls(self._plan(kind, held, now)))

    def _plan(self, kind: str, held: Portfolio, now: int) -> tuple[Action, ...]:
        taken = self._withdrawals(held)[:1]
        plans: dict[str, Callable[[], tuple[Action, ...]]] = {
            "lend": lambda: (self._supply(held),),
            "take": lambda: taken or (self._supply(held),),
            "rotate": lambda: (*taken, self._supply(held)),
            "swap": lambda: (self._swap(held, now),),
            "wrap": lambda: (self._wrap(held),),
            "borrow": lambda: (self._borrow(),),
            "give": lambda: (self._give(held),),
        }
        return plans[kind]()

    def _calls(self, actions: Sequence[Action]) -> tuple[Call, ...]:
        calls: list[Call] = []
        for action in actions:
            try:
                calls += encode(action, self.account)
            except ProtocolError:
                continue
        return tuple(calls)

    def _markets(self, *protocols: str) -> list[Market]:
        return [market for market in self.deployment.markets if market.protocol in protocols]

    def _amount(self, asset: Asset, held: Portfolio) -> Amount:
        """Of the sizes an attacker likes: dust, round dollars, a limit and one more, everything, one more than everything."""
        idle_raw, one = held.idle_raw(asset), 10**asset.decimals
        worth = self.price_usd_e8(asset) or USD_E8
        dollars = self.dice.choice(DOLLARS) * USD_E8 * one // worth
        return Amount(asset, max(1, self.dice.choice([1, *[dollars] * 9, idle_raw, idle_raw + 1])))

    def _supply(self, held: Portfolio) -> Action:
        market = self.dice.choice(self._markets(*LENDING))
        return Supply(market, self._amount(market.asset, held))

    def _withdrawals(self, held: Portfolio) -> tuple[Action, ...]:
        found: list[Action] = []
        for position in held.positions:
            if position.market.protocol in LENDING:
                whole = adapter_of(position.market).everything(position)
                part = Amount(position.market.asset, self.dice.choice([1, max(1, position.shares_raw // 2), 10**6]))
                found.append(Withdraw(position.market, self.dice.choice([whole, whole, part, ALL])))
                if position.debt_raw:
                    found.append(Repay(position.market, ALL))
        self.dice.shuffle(found)
        return tuple(found)

    def _swap(self, held: Portfolio, now: int) -> Action:
        pool = self.dice.choice(self._markets("uniswap_router"))
        given, got = self.dice.sample([pool.asset, pool.others[0]], 2)
        amount = self._amount(given, held)
        fair_raw = amount.raw * self.price_usd_e8(given) * 10**got.decimals // (self.price_usd_e8(got) * 10**given.decimals)
        other = Amount(got, max(0, fair_raw * (BPS - self.dice.choice(SLIPPAGES_BPS)) // BPS))
        deadline = now + self.dice.choice(DEADLINES_SECONDS)
        if self.dice.random() < 0.15 and other.raw:
            return SwapFor(pool, amount, other, max(deadline, 0))
        return Swap(pool, amount, other, max(deadline, 0))

    def _wrap(self, held: Portfolio) -> Action:
        (market,) = self._markets("wrapped_native")
        ether = next(asset for asset in self.deployment.assets if asset.address == NATIVE)
        if self.dice.random() < 0.5:
            return Wrap(market, Amount(ether, self._amount(ether, held).raw))
        return Unwrap(market, self._amount(market.asset, held))

    def _borrow(self) -> Action:
        market = self.dice.choice(self._markets("aave_v3"))
        if self.dice.random() < 0.3:
            return SetCollateral(market, is_used=self.dice.random() < 0.5)
        if self.dice.random() < 0.4:  # of what nobody owes, or far more than that: a supply under another name
            lender = self.dice.choice(self._markets(*LENDING[:2]))
            return Repay(lender, Amount(lender.asset, self.dice.choice([1, 10**lender.asset.decimals * 1_999])))
        return Borrow(market, Amount(market.asset, self.dice.choice([1, 10**market.asset.decimals, 10**24])))

    def _give(self, held: Portfolio) -> Action:
        asset = self.dice.choice([one for one in self.deployment.assets if one.address != NATIVE])
        return Transfer(self._amount(asset, held), self.stranger)

    def _leaking(self, held: Portfolio, now: int) -> tuple[Call, ...]:
        """A plan that lets somebody take something: too large an allowance, one left over, one for a stranger."""
        calls = list(self._calls(self._plan(self.dice.choice(["lend", "swap"]), held, now)))
        asset = self.dice.choice([one for one in self.deployment.assets if one.address != NATIVE])
        spender = self.dice.choice([self.stranger, self.dice.choice(self.deployment.markets).address])
        extra = encode(Approve(Amount(asset, self.dice.choice([1, 10**asset.decimals, MAX_UINT256 - 1])), spender), self.account)
        revoke = encode(Revoke(asset, spender), self.account)
        calls[self.dice.randrange(len(calls) + 1) : 0] = self.dice.choice([extra, (*extra, *revoke), revoke])
        return tuple(calls)

    def _bent(self, calls: tuple[Call, ...]) -> tuple[Call, ...]:
        """The same bytes with one thing changed that nobody asked for."""
        if not calls:
            return calls
        at = self.dice.randrange(len(calls))
        call = calls[at]
        words = [call.data[start : start + 32] for start in range(4, len(call.data), 32)]
        match self.dice.choice(["byte", "word", "tail", "cut", "target", "value", "selector", "order", "twice", "drop"]):
            case "byte":
                place = self.dice.randrange(len(call.data))
                bent = replace(call, data=call.data[:place] + self.dice.randbytes(1) + call.data[place + 1 :])
            case "word" if words:
                words[self.dice.randrange(len(words))] = bytes(12) + bytes.fromhex(self.stranger[2:])
                bent = replace(call, data=call.data[:4] + b"".join(words))
            case "tail":
                bent = replace(call, data=call.data + self.dice.randbytes(self.dice.choice([1, 32])))
            case "cut":
                bent = replace(call, data=call.data[: -self.dice.choice([1, 32])])
            case "target":
                bent = replace(call, target=self.dice.choice([self.stranger, self.dice.choice(self.deployment.markets).address]))
            case "value":
                bent = replace(call, value_wei=self.dice.choice([1, 10**18]))
            case "selector":
                bent = replace(call, data=self.dice.randbytes(4) + call.data[4:])
            case "order":
                return tuple(reversed(calls))
            case "twice":
                return (*calls, *calls)
            case _:
                return calls[:at] + calls[at + 1 :]
        return (*calls[:at], bent, *calls[at + 1 :])
