"""The hostile planner's run: `make hostile` judges ten thousand plans with the real wallet on a fresh local chain, executes what
it approves unasked, and counts what was lost.

The attacker also moves the pool against each trade before it is judged, and takes its profit afterwards."""

import random
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.devnet.contracts import read_integer, transact
from strategies.domain import NATIVE, Asset, Deployment, Portfolio
from strategies.errors import UsufructError
from strategies.protocols.registry import adapter_of, deployment_from, parse
from strategies.tape import Reading, price_of
from strategies.units import BPS, SECONDS_PER_DAY, USD_E8, WAD, mul_div_down
from tests.hostile.planner import Attacker, Proposal
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, OPERATOR, Bench, bench
from wallets import evidence
from wallets import reading as blocks
from wallets.wallet import Approved, Refused

MARKETS: Final = ("aave-core:USDC", "aave-core:WETH", "comet:USDC", "metamorpho:USDC", "swap:USDC/WETH-500", "weth")
STRANGER: Final = "0x" + "5a" * 20
LIMITS: Final[dict[str, Any]] = {
    "operators": (OPERATOR,),
    "treasury": None,
    "borrow_markets": ("aave-core:USDC",),
    "max_transaction_usd": 5_000,
    "max_day_usd": 250_000,
    "max_market_usd": 60_000,
    "max_transaction_gas_usd": 40,
    "max_day_gas_usd": 2_000,
    "min_health_factor_bps": 15_000,
    "price_sources": ("oracle", "exchange"),
    "max_plan_age_blocks": 20,
    "people": {"max_unattended_usd": 2_000, "gather_seconds": 0},
    "exchange": {"min_peg_bps": 9_800},
    "pace": {"max_plans_hour": 60, "reversal_seconds": 0, "repeat_seconds": 0},
}
STEP_SECONDS: Final = 400  # between two plans that are carried out
SWAP: Final = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"


@dataclass
class Day:
    """What is known of one moment: what the account would be worth had it burnt no gas, and how much it burnt until then."""

    at: int
    worth_usd_e8: int
    gas_usd_e8: int


@dataclass
class Outcome:
    """What a run came to."""

    plans: int = 0
    executed: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    worst_loss_usd_e8: int = 0  # of any 24 hours, gas left out
    worst_gas_usd_e8: int = 0
    allowances: int = 0
    transactions: int = 0

    def lines(self) -> Iterator[str]:
        yield f"plans {self.plans:,}, approved and mined {self.executed:,} in {self.transactions:,} transactions"
        yield f"worst 24 hours: lost {self.worst_loss_usd_e8 / USD_E8:,.2f} USD of at most {loss_budget_usd_e8() / USD_E8:,.2f}, "
        yield f"  and {self.worst_gas_usd_e8 / USD_E8:,.2f} USD of gas of at most {LIMITS['max_day_gas_usd']:,}"
        yield f"allowances left: {self.allowances}"
        for title, counted in (("accepted", self.accepted), ("refused for", self.refused), ("failed", self.failed)):
            yield f"{title}: " + ", ".join([f"{name} {count:,}" for name, count in counted.most_common()])


def loss_budget_usd_e8() -> int:
    """The most that trades may lose in a day: the parts that each may lose add up to the budget, and none is larger than a
    transaction may be."""
    bps = 150  # exchange.max_loss_day_bps of the tests' tables
    return int(LIMITS["max_transaction_usd"]) * USD_E8 * bps // BPS


def run(count: int, *, seed: int = 1) -> Outcome:
    """So many plans, on a chain of their own."""
    with Devnet.start() as devnet, tempfile.TemporaryDirectory() as folder:
        chain = Chain(devnet, _deployment(devnet))
        scenes.fund(devnet, ACCOUNT, usdc_raw=60_000 * 10**6, weth_raw=20 * WAD, ether_wei=200 * WAD)
        with bench(chain, Path(folder), **LIMITS) as at:
            return _Run(chain, at, random.Random(seed)).all(count)


def _deployment(devnet: Devnet) -> Deployment:
    whole = deployment_from(devnet.everything)
    markets = tuple([market for market in whole.markets if market.id in MARKETS])
    return replace(whole, markets=markets)


class _Run:
    def __init__(self, chain: Chain, at: Bench, dice: random.Random) -> None:
        self._chain, self._at, self._dice = chain, at, dice
        self._reading, self._held = blocks.read(at.parts.endpoint, chain.deployment, ACCOUNT)
        self._opening: Final[Reading] = self._reading
        self._attacker = Attacker(chain.deployment, ACCOUNT, STRANGER, dice, self._price)
        self._days: deque[Day] = deque()
        self._gas_usd_e8 = 0
        self._out = Outcome()
        (ranges,) = [market for market in chain.devnet.everything["markets"] if market["id"] == "uniswap-v3:USDC/WETH-500"]
        self._router: Final = str(ranges["contracts"]["router"])

    def all(self, count: int) -> Outcome:
        self._weigh()
        for number in range(count):
            self._one(f"p{number}", self._attacker.propose(self._held, self._at.parts.endpoint.now()))
        standing = evidence.standing_allowances(self._at.parts.endpoint, self._chain.deployment, ACCOUNT, ())
        self._out.allowances = len(standing)
        return self._out

    def _one(self, intent: str, proposal: Proposal) -> None:
        self._out.plans += 1
        block = self._chain.devnet.node.latest()[0]
        verdict = self._at.wallet.judge_calls(proposal.calls, intent=intent, plan_block=block, reason="hostile")
        if isinstance(verdict, Refused):
            self._out.refused.update({reason.rule for reason in verdict.reasons})
            return
        if verdict.people:
            self._out.refused["a person is asked"] += 1
            return
        self._carry_out(verdict, proposal)

    def _carry_out(self, approved: Approved, proposal: Proposal) -> None:
        turned = self._pool_is_turned(proposal)
        try:
            receipt = self._at.wallet.execute(approved, ())
        except UsufructError as error:
            self._out.failed[type(error).__name__] += 1
        else:
            self._out.executed += receipt.complete
            self._out.accepted[proposal.kind] += 1
            self._out.transactions += len(receipt.transactions)
            ether = self._price(next(asset for asset in self._chain.deployment.assets if asset.address == NATIVE))
            self._gas_usd_e8 += sum([mined.fee_wei for mined in receipt.transactions]) * ether // WAD
        if turned:
            self._turn_pool(*turned)
        scenes.pass_time(self._chain.devnet, STEP_SECONDS)
        self._reading, self._held = blocks.read(self._at.parts.endpoint, self._chain.deployment, ACCOUNT)
        self._weigh()

    def _pool_is_turned(self, proposal: Proposal) -> tuple[str, str, int] | None:
        """Somebody trades ahead of us in our direction; answers the trade that takes it back."""
        account = self._chain.deployment
        read = [parse(call, ACCOUNT, account) for call in proposal.calls]
        trade = next((action for action in read if type(action).__name__ in ("Swap", "SwapFor")), None)
        if trade is None or self._dice.random() < 0.3:
            return None
        given = trade.amount_in.asset if hasattr(trade, "amount_in") else trade.most_in.asset  # type: ignore[union-attr]
        symbols = ("USDC", "WETH") if given.symbol == "USDC" else ("WETH", "USDC")
        size = {"USDC": 40_000 * 10**6, "WETH": 13 * WAD}[symbols[0]]
        got = self._turn_pool(symbols[0], symbols[1], size)
        return symbols[1], symbols[0], got

    def _turn_pool(self, given: str, got: str, amount_raw: int) -> int:
        devnet, sender = self._chain.devnet, self._chain.devnet.actor("lender")
        one, other = devnet.token(given), devnet.token(got)
        before_raw = read_integer(devnet.node, other, "balanceOf(address)", sender)
        transact(devnet.node, sender, one, "approve(address,uint256)", self._router, amount_raw)
        transact(devnet.node, sender, self._router, SWAP, (one, other, 500, sender, 2**40, amount_raw, 0, 0))
        return read_integer(devnet.node, other, "balanceOf(address)", sender) - before_raw

    def _weigh(self) -> None:
        """The worst of all windows of 24 hours that end now."""
        worth = self._worth_usd_e8(self._reading, self._held)
        now = Day(self._reading.timestamp, worth + self._gas_usd_e8, self._gas_usd_e8)
        self._days.append(now)
        while self._days[0].at < now.at - SECONDS_PER_DAY:
            self._days.popleft()
        lost = max([day.worth_usd_e8 for day in self._days]) - now.worth_usd_e8
        burnt = now.gas_usd_e8 - self._days[0].gas_usd_e8
        self._out.worst_loss_usd_e8 = max(self._out.worst_loss_usd_e8, lost)
        self._out.worst_gas_usd_e8 = max(self._out.worst_gas_usd_e8, burnt)

    def _price(self, asset: Asset) -> int:
        return price_of(self._opening.quotes, asset) or 0

    def _worth_usd_e8(self, reading: Reading, held: Portfolio) -> int:
        """Everything at the prices of the beginning, which do not move here."""
        worth = sum([self._usd_e8(amount.asset, amount.raw) for amount in held.idle])
        states = {market.id: state for market, state in zip(self._chain.deployment.markets, reading.states, strict=True)}
        for position in held.positions:
            state = states[position.market.id]
            assert state is not None
            worth += self._usd_e8(position.market.asset, adapter_of(position.market).value_raw(state, position))
        return worth

    def _usd_e8(self, asset: Asset, raw: int) -> int:
        return mul_div_down(raw, self._price(asset), 10**asset.decimals)


if __name__ == "__main__":
    for line in run(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000).lines():
        sys.stdout.write(line + "\n")
