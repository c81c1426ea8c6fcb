"""Seeded walks of one pool on the in-process chain: who acts, when and how much, and the model beside the contract. Every step
compares what it says with what the bytecode did; it counts and asserts, and decides nothing about how much is enough."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

from eth_abi.abi import decode

from agent.devnet.contracts import calldata
from agent.devnet.uniswap import NEVER
from strategies.domain import AddLiquidity, Address, Amount, Asset, Collect, Market, Position, RemoveLiquidity, Swap, Ticks
from strategies.errors import ActionRefused, ProtocolError
from strategies.protocols.adapter import Applied, Call
from strategies.protocols.uniswap_v3 import EMPTY, HEAD_WORDS, UniswapV3
from strategies.protocols.uniswap_v3 import pool as pools
from strategies.protocols.uniswap_v3.arithmetic import (
    MAX_INT256,
    MAX_TICK,
    sqrt_price_at_tick_x96,
    words_of_book,
)
from strategies.protocols.uniswap_v3.pool import Pool, tokens
from tests.evm import Evm, Outcome
from tests.strategies.protocols.differential import endow, judged

ADAPTER = UniswapV3()
ACTORS = ("lender", "borrower", "stranger")
STRANGER = "treasury"  # does what accounts of ours do not
AFTERWARDS = ("Too little received", "Price slippage check")  # what is asked only after the tokens have come
SECONDS = (1, 1, 12, 3_600, 86_400, 90 * 86_400)
PURSE_RAW = 1 << 160  # enough for a swap to the end of every price
EXACT_OUT = "exactOutputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
TO_PRICE = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"

Act = Swap | AddLiquidity | RemoveLiquidity | Collect


def provide(evm: Evm) -> None:
    """Everybody gets tokens and allows nothing, but one stranger, of whom the router may take any amount."""
    stranger = evm.actors[STRANGER]
    for market in (market for market in evm.deployment.markets if market.protocol == ADAPTER.protocol):
        spenders = market.contract("router"), market.contract("position_manager")
        for token in tokens(market):
            raw = 10**27 if token.symbol == "WETH" else PURSE_RAW
            accounts = [evm.actors[actor] for actor in ACTORS]
            endow(evm, token, accounts, (), raw=raw)
            endow(evm, token, (stranger,), spenders, raw=raw)
            for account in accounts:
                for spender in spenders:
                    evm.transact(account, token.address, "approve(address,uint256)", spender, 0)


def reason_of(outcome: Outcome) -> str:
    """The words of a revert; none where it has none."""
    return str(decode(["string"], outcome.output[4:])[0]) if outcome.output[:4] == bytes.fromhex("08c379a0") else ""


class Walk:
    """One pool, the model of it and of everybody's range, carried on from step to step."""

    def __init__(self, evm: Evm, market: Market, seed: int) -> None:
        self.evm, self.market, self.dice = evm, market, random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.log: list[dict[str, Any]] = []  # what was tried, and what the contract did
        self.crossings = 0
        self.manager = market.contract("position_manager")
        self.pair = tokens(market)
        self.ranges = self.candidates()
        self.held = {evm.actors[name]: Position(market, 0) for name in ACTORS}
        spacing = market.number("tick_spacing")
        self.reads, self.all_words = ADAPTER.reads(market), words_of_book(spacing)
        self.words = set(self.all_words)
        self.state = self.read()
        self.home = self.state.tick
        self.words = {tick // spacing >> 8 for span in self.ranges for tick in (span.lower, span.upper)}

    def candidates(self) -> tuple[Ticks, ...]:
        """The lender's ranges from the beginning, and some that are dealt: all there is, narrow, wide, and on one side."""
        spacing, found = self.market.number("tick_spacing"), []
        for token_id in range(1, self.evm.read(self.manager, "totalSupply()", "(uint256)")[0] + 1):
            (answer,) = self.evm.ask((ADAPTER.range_reads(self.market, token_id)[1],))
            types = ["uint96", "address", "address", "address", "uint24", "int24", "int24", *["uint256"] * 5]
            _, _, one, other, fee, lower, upper, *_ = decode(types, answer)
            if (one, other, fee) == (self.pair[0].address, self.pair[1].address, self.market.number("fee_pips")):
                found.append(Ticks(lower, upper))
        middle = self.evm.read(self.market.address, "slot0()", "(uint160,int24,uint16,uint16,uint16,uint8,bool)")[1] // spacing
        for _ in range(6):
            start = middle + self.dice.choice((0, -1, 1, -2, 3, -7, 9, -40, 40))
            found.append(Ticks(start * spacing, (start + self.dice.choice((1, 1, 2, 5, 30))) * spacing))
        found += [
            Ticks(-(MAX_TICK // spacing) * spacing, (middle - 1) * spacing),
            Ticks((middle + 1) * spacing, MAX_TICK // spacing * spacing),
        ]
        return tuple(dict.fromkeys(found))

    def read(self) -> Pool:
        """The pool on the chain, with everything of the candidates; words where no candidate has a bound are taken as empty."""
        head, words = self.reads[: len(HEAD_WORDS)], self.all_words
        book = [call for word, call in zip(words, self.reads[len(HEAD_WORDS) :], strict=True) if word in self.words]
        answers = self.evm.ask((*head, *book))
        rest = iter(answers[len(head) :])
        whole = [next(rest) if word in self.words else EMPTY for word in words]
        state = ADAPTER.decode(self.market, (*answers[: len(head)], *whole), self.evm.timestamp)
        for span in self.ranges:
            state = ADAPTER.with_bounds(state, span, self.evm.ask(ADAPTER.bounds_reads(self.market, span)))
        return state

    def balances(self, account: Address) -> tuple[int, ...]:
        return tuple(self.evm.balances(account, self.pair).values())

    def step(self) -> None:
        """One action or one disturbance, and the comparison of everything."""
        seconds = self.dice.choice(SECONDS) if self.dice.random() < 0.3 else 0
        self.evm.warp(seconds)
        self.state = ADAPTER.accrue(self.state, seconds)
        if self.dice.random() < 0.25:
            self.disturb()
        else:
            account = self.evm.actors[self.dice.choice(ACTORS)]
            action, owner = self.drawn(account)
            self.act(account, owner, action)
        self.compare()

    def compare(self) -> None:
        assert self.read() == self.state
        for account, held in self.held.items():
            if held.range is not None:
                token_id = held.range.token_id
                answers = self.evm.ask(ADAPTER.range_reads(self.market, token_id))
                assert ADAPTER.range_of(self.market, answers, account=account, token_id=token_id) == held

    def act(self, account: Address, owner: Address, action: Act) -> None:
        """All calls of an action, as they are written, each judged by the model first; then nobody may take anything more."""
        calls = ADAPTER.encode(action, account)
        if isinstance(action, RemoveLiquidity) and self.dice.random() < 0.5:
            calls = calls[:1]  # what is released stays there for now
        allowed_raw = 0
        for call in calls:
            meant = ADAPTER.parse(call, account, (self.market,))
            if meant is None:
                assert self.evm.send(account, call).succeeded
            else:
                assert isinstance(meant, Act)
                taken = self.called(account, owner, meant, call)
                allowed_raw = action.amount_in.raw - taken if isinstance(action, Swap) else 0
        allowances = [self.allowance_raw(token, account, ADAPTER.spender(action)) for token in self.pair]
        assert sum(allowances) == allowed_raw, action
        if allowed_raw:  # the swap was refused, or emptied the book
            for token in self.pair:
                self.evm.transact(account, token.address, "approve(address,uint256)", ADAPTER.spender(action), 0)

    def called(self, account: Address, owner: Address, action: Act, call: Call) -> int:
        """One call, by the model and by the contract; how much a swap took."""
        said, before = judged(ADAPTER, self.state, self.held[owner], action), self.balances(account)
        outcome = self.evm.send(account, call)
        name = kind_of(action)
        entry = {"kind": name, "account": account, "owner": owner, "data": call.data.hex(), "reverted": not outcome.succeeded}
        self.log.append(entry | {"timestamp": self.evm.timestamp})
        if not outcome.succeeded:
            self.counts[f"{name} refused"] += 1
            self.agreed(said, reason_of(outcome), before, action)
            return 0
        assert isinstance(said, Applied), (action, said)
        moved = [after - was for was, after in zip(before, self.balances(account), strict=True)]
        assert moved == [said.moved_raw(token) for token in self.pair], action
        self.log[-1]["moved"] = moved
        self.counts[name] += 1
        self.crossings += crossed(self.state, said.state) if isinstance(action, Swap) else 0
        self.state, self.held[owner] = said.state, said.held
        if name == "Mint" and said.held.range is not None:
            self.log[-1]["token_id"] = int.from_bytes(outcome.output[:32], "big")
            mined = replace(said.held.range, token_id=int.from_bytes(outcome.output[:32], "big"))
            self.held[owner] = replace(said.held, range=mined)
        return -min(moved) if isinstance(action, Swap) else 0

    def agreed(self, said: Applied[Pool] | ProtocolError, reason: str, before: tuple[int, ...], action: Act) -> None:
        """A revert is a refusal of the model's, in the contract's words where it has any; or the token had too little to take."""
        if reason == "STF":
            wanted = said.moved if isinstance(said, Applied) else ()
            short = [amount for amount in wanted if -amount.raw > before[self.pair.index(amount.asset)]]
            assert short or (isinstance(said, ActionRefused) and said.why in AFTERWARDS), (action, said)
            return
        assert isinstance(said, ProtocolError), (action, reason, said)
        if reason and isinstance(said, ActionRefused):
            assert said.why == reason, action

    def drawn(self, account: Address) -> tuple[Act, Address]:
        """What an account does, and whose range it does it to."""
        roll, held = self.dice.random(), self.held[account]
        if held.range is not None and self.dice.random() < 0.06:
            self.held[account] = held = Position(self.market, 0)  # the range is left to itself; it earns on
            self.log.append({"kind": "forgotten", "account": account})
        if roll < 0.4:
            return self.swap(account), account
        if held.range is None:
            return self.add(account, self.dice.choice(self.ranges)), account
        if roll < 0.6:
            owner = self.dice.choice([one for one, other in self.held.items() if other.range is not None])
            found = self.held[owner].range
            assert found is not None
            return self.add(owner, found.token_id), owner
        if roll < 0.85 and held.shares_raw:
            return self.remove(held), account
        others = [held.range.token_id] + [other.range.token_id for other in self.held.values() if other.range is not None]
        return Collect(self.market, self.dice.choice(others)), account

    def swap(self, account: Address) -> Swap:
        token_in = self.dice.randrange(2)
        given, other = self.pair[token_in], self.pair[1 - token_in]
        there_raw, mine_raw = self.state.balances_raw[token_in], self.balances(account)[token_in]
        small = self.dice.randint(1, 9)
        ordinary = [int(there_raw * self.dice.random() ** 3) + 1 for _ in range(12)]
        edges = [mine_raw, mine_raw + 1, MAX_INT256] if self.dice.random() < 0.1 else []
        raw = self.dice.choice((small, *edges, *ordinary))
        action = Swap(self.market, Amount(given, raw), Amount(other, 0), self.deadline())
        said = judged(ADAPTER, self.state, Position(self.market, 0), action)
        out_raw = said.moved_raw(other) if isinstance(said, Applied) else 0
        return replace(action, least_out=Amount(other, self.least(out_raw)))

    def add(self, owner: Address, into: Ticks | int) -> AddLiquidity:
        edges = (0, 1, 1 << 128, 1 << 200)
        raws = [
            self.dice.choice(edges) if self.dice.random() < 0.06 else int(there * self.dice.random() ** 4) + 1
            for there in self.state.balances_raw
        ]
        if not any(raws):
            raws[0] = 1
        most = Amount(self.pair[0], raws[0]), Amount(self.pair[1], raws[1])
        none = Amount(self.pair[0], 0), Amount(self.pair[1], 0)
        action = AddLiquidity(self.market, into, most, none, self.deadline())
        said = judged(ADAPTER, self.state, self.held[owner], action)
        if not isinstance(said, Applied):
            return action
        least = [min(self.least(-said.moved_raw(amount.asset)), amount.raw) for amount in most]
        return replace(action, least=(Amount(self.pair[0], least[0]), Amount(self.pair[1], least[1])))

    def remove(self, held: Position) -> RemoveLiquidity:
        assert held.range is not None
        mine = held.shares_raw
        liquidity_raw = self.dice.choice((mine, mine, mine + 1, 1, *(int(mine * self.dice.random()) + 1 for _ in range(6))))
        least = [0, 0]
        if liquidity_raw <= mine:
            moved = pools.modify(self.state, held.range.ticks, -liquidity_raw).amounts_raw
            least = [self.least(-raw) for raw in moved]
        amounts = Amount(self.pair[0], least[0]), Amount(self.pair[1], least[1])
        return RemoveLiquidity(self.market, held.range.token_id, liquidity_raw, amounts, self.deadline())

    def least(self, exact_raw: int) -> int:
        """Mostly nothing; else what comes exactly, or one more, which must be refused."""
        return self.dice.choice((0, 0, 0, 0, exact_raw, exact_raw, exact_raw + 1))

    def deadline(self) -> int:
        return self.dice.choice((NEVER,) * 12 + (self.evm.timestamp, self.evm.timestamp, self.evm.timestamp - 1))

    def disturb(self) -> None:
        """Strangers trade exact outputs and to prices, the protocol changes its fee and takes it, somebody gives a present."""
        match self.dice.randrange(10):
            case 0 | 1 | 2:
                token_in = self.dice.randrange(2)
                raw = int(self.state.balances_raw[1 - token_in] * self.dice.random() ** 3 * 1.1) + 1
                limits = (0, pools.limit_x96(token_in))
                self.traded("exact output", EXACT_OUT, (token_in, -raw), limits, (raw, PURSE_RAW))
            case 3 | 4 | 5 | 6:
                bounds = [tick for span in self.ranges for tick in (span.lower, span.upper) if abs(tick - self.home) < 2_000]
                near = self.home + self.dice.randint(-300, 300)
                limit_x96 = sqrt_price_at_tick_x96(self.dice.choice((near, near, self.dice.choice(bounds))))
                token_in = 0 if limit_x96 < self.state.sqrt_price_x96 else 1
                raw = PURSE_RAW >> 8
                self.traded("to price", TO_PRICE, (token_in, raw), (limit_x96, limit_x96), (raw, 0))
            case 7 | 8:
                shares = self.dice.choice((0, 4, 7, 10)), self.dice.choice((0, 5, 10))
                self.evm.transact(self.evm.actors["deployer"], self.market.address, "setFeeProtocol(uint8,uint8)", *shares)
                self.state = replace(self.state, fee_protocol=shares[0] | shares[1] << 4)
                self.counts["protocol fee"] += 1
                self.log.append({"kind": "protocol fee", "fee_protocol": self.state.fee_protocol})
            case _:
                limits = (1 << 127, self.dice.randint(0, 10**9))
                deployer = self.evm.actors["deployer"]
                self.evm.transact(deployer, self.market.address, "collectProtocol(address,uint128,uint128)", deployer, *limits)
                token = self.dice.choice(self.pair)
                self.evm.transact(self.evm.actors[STRANGER], token.address, "transfer(address,uint256)", self.market.address, 7)
                self.state = self.read()  # not the account's to do, so not modelled
                self.counts["read anew"] += 1
                pairs = self.state.protocol_fees_raw, self.state.balances_raw
                self.log.append({"kind": "read anew", "protocol_fees_raw": pairs[0], "balances_raw": pairs[1]})

    def traded(self, name: str, signature: str, given: tuple[int, int], limits: tuple[int, int], bounds: tuple[int, int]) -> None:
        """A swap that an account of ours does not do, by the pool's own function."""
        token_in, specified_raw = given
        stranger, ends = self.evm.actors[STRANGER], (self.pair[token_in].address, self.pair[1 - token_in].address)
        data = (*ends, self.market.number("fee_pips"), stranger, NEVER, *bounds, limits[0])
        before = self.balances(stranger)
        outcome = self.evm.send(stranger, Call(self.market.contract("router"), bytes.fromhex(calldata(signature, data)[2:])))
        try:
            said = pools.swap(self.state, token_in, specified_raw, limits[1])
        except ProtocolError:
            assert not outcome.succeeded
            self.counts[f"{name} refused"] += 1
            return
        if specified_raw < 0 and said.amounts_raw[1 - token_in] != specified_raw:
            assert not outcome.succeeded  # the router wants all of it
            self.counts[f"{name} refused"] += 1
            return
        if any(raw > have for raw, have in zip(said.amounts_raw, before, strict=True)):
            assert reason_of(outcome) == "STF"
            return
        assert outcome.succeeded, (name, given, limits, reason_of(outcome))
        paid = [was - now for was, now in zip(before, self.balances(stranger), strict=True)]
        assert paid == list(said.amounts_raw)
        asked = {"token_in": token_in, "specified": str(specified_raw), "limit_x96": str(limits[1])}
        self.log.append({"kind": name, **asked, "timestamp": self.evm.timestamp, "paid": paid})
        self.crossings += crossed(self.state, said.pool)
        self.state = said.pool
        self.counts[name] += 1

    def allowance_raw(self, token: Asset, account: Address, spender: Address) -> int:
        return int(self.evm.read(token.address, "allowance(address,address)", "(uint256)", account, spender)[0])


def kind_of(action: Act) -> str:
    """The action's name, its two kinds of adding apart."""
    if isinstance(action, AddLiquidity):
        return "Mint" if isinstance(action.into, Ticks) else "Increase"
    return type(action).__name__


def crossed(before: Pool, after: Pool) -> int:
    """How many initialised ticks lie between two prices."""
    low, high = sorted((before.tick, after.tick))
    return sum(1 for tick in before.book.ticks if low < tick <= high)
