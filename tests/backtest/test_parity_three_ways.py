"""One tape of the local chain's own markets through the engine and through the graph, and the same plans on the chain's bytecode.
What must be equal is equal to the unit; what differs has a name here and in docs/parity.md."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.devnet.contracts import read_integer
from agent.devnet.errors import ArtefactsMissing
from agent.devnet.node import BASE_FEE_WEI
from backtest import exact_tape
from backtest.engine import run
from backtest.metrics import curve_of
from backtest.runs import Run
from backtest.study import ACCOUNT
from strategies.assess import held_raw
from strategies.domain import Plan, Portfolio, Supply, Withdraw
from strategies.protocols.registry import deployment_from, encode
from strategies.tape import Observation, Reading, Tape
from strategies.units import SECONDS_PER_DAY, WAD
from tests.test_parity import settings_of, through_the_graph
from wallets import reading as blocks
from wallets.endpoints import Endpoint
from wallets.journal import projection

pytestmark = pytest.mark.chain

DAYS = 14
CORE = "aave-core:USDC"
CASH_RAW = 10_000 * 10**6
SHOCKS = {3: 1_900_000 * 10**6, 9: -1_900_000 * 10**6}  # after that day's reading the borrower draws, or repays
Mine = Callable[[int, int], None]  # makes the block of a day at a time


@dataclass(frozen=True, slots=True)
class Days:
    """What the chain was at each day, and what we held of it after that day's block."""

    tape: Tape
    held: tuple[Portfolio, ...]


class Stage:
    """A fresh chain with a funded account of nobody's, put back as it was before each play."""

    def __init__(self, devnet: Devnet, folder: Path) -> None:
        self.devnet, self.folder = devnet, folder
        self.deployment = deployment_from(devnet.deployment)
        self.endpoint = Endpoint(devnet.url, timeout_seconds=10)
        scenes.fund(devnet, ACCOUNT, usdc_raw=CASH_RAW, ether_wei=WAD)
        self._start = devnet.node.snapshot()
        self._plays = 0

    def play(self, mine: Mine) -> Days:
        """The same script every time: only what we mine on a day may differ."""
        node = self.devnet.node
        node.revert(self._start)
        self._start = node.snapshot()
        self._plays += 1
        readings, held = list[Reading](), list[Portfolio]()
        begin = node.latest()[1] + SECONDS_PER_DAY
        for day in range(DAYS):
            mine(day, begin + day * SECONDS_PER_DAY)
            reading, portfolio = blocks.read(self.endpoint, self.deployment, ACCOUNT)
            readings.append(reading)
            held.append(portfolio)
            shock_raw = SHOCKS.get(day, 0)
            if shock_raw > 0:
                scenes.borrower_draws(self.devnet, CORE, shock_raw)
            elif shock_raw < 0:
                scenes.borrower_repays(self.devnet, CORE, -shock_raw)
        folder = self.folder / f"play-{self._plays}"
        return Days(exact_tape.save(self.deployment, readings, folder), tuple(held))

    def empty(self, day: int, timestamp: int) -> None:
        """A block with nothing of ours."""
        self.devnet.node.set_next_block_timestamp(timestamp)
        scenes.empty_block(self.devnet)

    def carrying(self, plans: dict[int, Plan]) -> Mine:
        """Blocks with all calls of the plan that is due that day, in their order, in the same second."""

        def mine(day: int, timestamp: int) -> None:
            if day not in plans:
                self.empty(day, timestamp)
                return
            node = self.devnet.node
            node.rpc("evm_setAutomine", False)
            sent = self._sent(plans[day])
            node.set_next_block_timestamp(timestamp)
            scenes.empty_block(self.devnet)
            node.rpc("evm_setAutomine", True)
            assert all(int(node.rpc("eth_getTransactionReceipt", one)["status"], 16) == 1 for one in sent)

        return mine

    def _sent(self, plan: Plan) -> list[str]:
        node = self.devnet.node
        node.rpc("anvil_impersonateAccount", ACCOUNT)
        fees = {"gas": hex(2_000_000), "maxFeePerGas": hex(BASE_FEE_WEI), "maxPriorityFeePerGas": "0x0"}
        nonce = int(node.rpc("eth_getTransactionCount", ACCOUNT, "latest"), 16)
        calls = [call for action in plan.actions for call in encode(action, ACCOUNT)]
        return [
            str(
                node.rpc(
                    "eth_sendTransaction",
                    {"from": ACCOUNT, "to": call.target, "data": "0x" + call.data.hex(), "nonce": hex(nonce + at), **fees},
                )
            )
            for at, call in enumerate(calls)
        ]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    try:
        devnet = Devnet.start()
    except ArtefactsMissing as error:
        pytest.skip(f"no local chain here: {error}")
    with devnet:
        yield Stage(devnet, tmp_path_factory.mktemp("parity"))


@pytest.fixture(scope="module")
def without_us(stage: Stage) -> Days:
    return stage.play(stage.empty)


def through_the_engine(days: Days, opening: Portfolio) -> Run:
    return run(days.tape, replace(settings_of(days.tape, 1), opening=opening))


@pytest.fixture(scope="module")
def done(without_us: Days) -> Run:
    return through_the_engine(without_us, without_us.held[0])


@pytest.fixture(scope="module")
def settled(stage: Stage, done: Run) -> tuple[Days, Run]:
    """The chain carrying out what the engine did, when it did; and the engine on the tape of that. A move changes nothing before
    it, so that after as many plays as there are moves each plan is made from the very days it is carried out on."""
    plans = plans_of(done)
    for _ in range(len(plans) + 1):
        days = stage.play(stage.carrying(plans))
        again = through_the_engine(days, done.settings.opening)
        if plans_of(again) == plans:
            return days, again
        plans = plans_of(again)
    raise AssertionError("a later move changed an earlier day")


@pytest.fixture(scope="module")
def with_us(settled: tuple[Days, Run]) -> Days:
    return settled[0]


def plans_of(done: Run) -> dict[int, Plan]:
    """What was executed, by the row it was executed at."""
    found = {step.due_row: step.decision.plan for step in done.steps if step.receipt is not None}
    return {row: plan for row, plan in found.items() if row is not None and plan is not None}


def moves_of(plans: Sequence[Plan]) -> list[tuple[type, str]]:
    return [
        (type(action), action.market.id) for plan in plans for action in plan.actions if isinstance(action, Supply | Withdraw)
    ]


def value_at_the_end(days: Days, held: Portfolio) -> int:
    asset = days.tape.deployment.asset("USDC")
    return held_raw(Observation(days.tape, DAYS - 1, ACCOUNT, held), asset)


def test_the_tape_of_the_chain_moves_the_engine_into_the_shock_and_out_of_it(done: Run) -> None:
    plans = plans_of(done)
    assert len(plans) >= 3 and not [step for step in done.steps if step.held]
    entered = [market for kind, market in moves_of(list(plans.values())) if kind is Supply]
    assert CORE in entered and len(set(entered)) == 2


def test_engine_and_graph_write_the_same_journal_on_the_chains_tapes(
    without_us: Days, done: Run, settled: tuple[Days, Run]
) -> None:
    for days, finished in ((without_us, done), settled):
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        book = through_the_graph(days.tape, finished.settings, finished, SqliteSaver(connection))
        connection.close()
        assert projection(book.lines) == projection(finished.journal.lines)


def test_both_plays_have_the_same_times_and_begin_with_the_same_states(without_us: Days, with_us: Days, done: Run) -> None:
    assert with_us.tape.timestamp.tolist() == without_us.tape.timestamp.tolist()
    first = min(plans_of(done))
    for row in range(first):
        for market in range(len(without_us.tape.deployment.markets)):
            assert with_us.tape.states.state(row, market) == without_us.tape.states.state(row, market)


def test_the_first_move_buys_the_same_shares_to_the_unit(with_us: Days, done: Run) -> None:
    first = done.segments[1]
    assert with_us.held[first.row].positions == first.portfolio.positions
    asset = with_us.tape.deployment.asset("USDC")
    assert with_us.held[first.row].idle_raw(asset) == first.portfolio.idle_raw(asset)


def test_on_the_tape_that_has_us_in_it_the_chain_and_the_engine_end_equal_to_the_unit(
    stage: Stage, settled: tuple[Days, Run], done: Run
) -> None:
    with_us, again = settled
    assert {row: moves_of([plan]) for row, plan in plans_of(again).items()} == {
        row: moves_of([plan]) for row, plan in plans_of(done).items()
    }
    for segment in again.segments[1:]:
        assert with_us.held[segment.row].positions == segment.portfolio.positions
    final = value_at_the_end(with_us, again.segments[-1].portfolio)
    assert final == value_at_the_end(with_us, with_us.held[-1])
    (claim,) = with_us.held[-1].positions
    receipt = dict(claim.market.contracts)["receipt"]
    on_chain = read_integer(stage.devnet.node, receipt, "balanceOf(address)", ACCOUNT)
    last = stage.devnet.node.latest()[1]
    assert last == int(with_us.tape.timestamp[-1]), "nothing happened since"
    assert final - with_us.held[-1].idle_raw(claim.market.asset) == on_chain


def test_own_size_is_the_difference_between_the_tape_without_us_and_the_chain_and_it_only_costs(
    without_us: Days, with_us: Days, done: Run
) -> None:
    promised = value_at_the_end(without_us, done.segments[-1].portfolio)
    received = value_at_the_end(with_us, with_us.held[-1])
    earned = promised - CASH_RAW
    assert 0 < promised - received < earned // 20, "ten thousand among millions: below a twentieth of what was earned"


def test_gas_is_the_adapters_figure_and_no_less_than_the_chain_burned(with_us: Days, done: Run) -> None:
    coin = next(asset for asset in with_us.tape.deployment.assets if asset.symbol == "ETH")
    burned_wei = done.settings.opening.idle_raw(coin) - with_us.held[-1].idle_raw(coin)
    assumed_wei = sum(segment.fee_wei for segment in done.segments)
    assert 0 < burned_wei <= assumed_wei
    assert curve_of(done).gas[-1] > 0
