"""The story, told on a private chain with the protocols' own bytecode: earn, ask, refuse an attack, look back."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from agent.cli import history, tables
from agent.cli.attacks import attacks, unguarded_loss_raw
from agent.cli.keep import end
from agent.cli.run import keeper_of, new_cycle, planning, start_keeper
from agent.cli.session import LIVE, Session, opened
from agent.cli.stage import CASH_USD, OPERATOR, USDC_UNIT, Stage, set_up
from agent.cli.supervise import show
from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.graph import Planner
from agent.settings import load_settings
from strategies.assess import assess, held_raw
from strategies.domain import Amount, Position, written
from strategies.protocols.registry import adapter_of
from strategies.tape import Observation
from strategies.units import SECONDS_PER_DAY
from wallets import operators
from wallets.client import KeeperClient
from wallets.wallet import Refused

QUARTER_DAYS: Final = 90
SHOCK_RAW: Final = 1_900_000 * USDC_UNIT
LEFT_IDLE_RAW: Final = 1_000 * USDC_UNIT


def tell(folder: Path, *, keep: bool) -> None:
    """The whole story; its last line is the path of the report."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends the demo ends its chain and keeper too
    tables.step(1, "A private chain with nine markets for USDC: Aave's and Morpho's own bytecode, and a stand-in of Compound's")
    with chain() as devnet:
        stage = set_up(folder, devnet)
        tables.say(f"  {devnet.url}, chain id 31337; nothing leaves this machine")
        tables.say(f"  a fresh wallet {stage.account} with {CASH_USD:,} USDC and 1 ether")
        tables.say(f"  {OPERATOR}, whom the demo plays, acknowledges the risks: `usufruct acknowledge` shows them to you", "dim")
        with keeper(stage):
            with opened(stage.config, LIVE) as session, planning(session) as planner:
                earn(session, planner, stage, devnet)
                attack(session, keeper_of(session.settings, stage.config), devnet)
            tables.step(7, "The same strategy over a year of seeded, synthetic history")
            report = look_back(stage.folder)
            tables.say(f"told in {time.monotonic() - began:.0f} s; the backtest's report, to open in a browser:")
            tables.say(str(report), "bold")
            if keep:
                wait_for_a_person(stage)


def earn(session: Session, planner: Planner, stage: Stage, devnet: Devnet) -> None:
    """Observe, propose, ask, sign; months pass; a shock; move."""
    tables.step(2, "What it sees: the whole block in one request")
    show_markets(session)
    tables.step(3, "It proposes; a person is asked; the keeper signs")
    supervised_cycle(session, planner, stage)
    tables.step(4, "Three months pass; what it would earn was written down before")
    predicted_raw = predict(session, QUARTER_DAYS * SECONDS_PER_DAY)
    tables.say(f"  predicted {predicted_raw:,} base units of USDC in {QUARTER_DAYS} days, if nobody touches the market")
    scenes.pass_time(devnet, QUARTER_DAYS * SECONDS_PER_DAY)
    found_raw = held_raw(look(session), session.decide.asset)
    earned = Amount(session.decide.asset, found_raw - CASH_USD * USDC_UNIT)
    tables.say(f"  found     {found_raw:,}: {abs(found_raw - predicted_raw)} apart")
    tables.say(f"  earned {written(earned)}", "bold green")
    tables.step(5, "A borrower draws the other market: its rate jumps, and it moves")
    scenes.borrower_draws(devnet, "aave-core:USDC", SHOCK_RAW)
    tables.say(f"  somebody borrowed {SHOCK_RAW // USDC_UNIT:,} USDC from aave-core:USDC")
    show_markets(session)
    supervised_cycle(session, planner, stage)


def attack(session: Session, wallet: KeeperClient, devnet: Devnet) -> None:
    """A planner in an attacker's hands proposes bytes; the keeper reads them and refuses."""
    tables.step(6, "An attacker has taken the planner over and proposes to the keeper")
    scenes.fund(devnet, session.settings.policy.account, usdc_raw=LEFT_IDLE_RAW)
    seen, stranger = look(session), devnet.actor("stranger")
    for one in attacks(seen, stranger):
        loss = Amount(session.decide.asset, unguarded_loss_raw(devnet, session.settings.policy.account, one))
        verdict = wallet.judge_calls(one.calls, intent=new_cycle(), plan_block=seen.block, reason="urgent, says support")
        tables.say(f"  {one.title}", "bold")
        tables.say(f"    with a key that nobody guards it would cost {written(loss)} (tried on the chain, then undone)")
        tables.say("    REFUSED" if isinstance(verdict, Refused) else "    APPROVED", "bold red")
        if isinstance(verdict, Refused):
            tables.refusal(verdict.reasons)


def show_markets(session: Session) -> None:
    """The table of `observe`."""
    seen = look(session)
    asset, gate = session.decide.asset, session.decide.gate
    size = Amount(asset, held_raw(seen, asset))
    found = assess(seen, asset, size, horizon_seconds=gate.horizon_seconds, lookback_seconds=gate.lookback_seconds)
    tables.markets(found, size, [claim.market.id for claim in seen.portfolio.positions])


def supervised_cycle(session: Session, planner: Planner, stage: Stage) -> None:
    """One cycle of the planner, with a person's yes played by the demo's own operator key."""
    waiting = planner.run(new_cycle())
    if waiting is None:
        return
    show(session, waiting)
    tables.say(f"  a person would now type: usufruct approve {waiting.cycle} --operator {OPERATOR} --operator-key …")
    tables.say("  the demo plays that person; the yes is a signature over the digest, and the keeper checks it", "dim")
    key = operators.unlock(stage.operator_key, stage.operator_password())
    planner.resume(waiting.cycle, (operators.sign_yes(key, OPERATOR, waiting.verdict, policy=session.settings.policy),))
    history.outcome(session, waiting.cycle)


def look(session: Session) -> Observation:
    """What the chain says now."""
    return session.feed().observe()


def predict(session: Session, seconds: int) -> int:
    """What everything will be worth so much later if nobody touches the markets, by the protocol's own arithmetic; journaled."""
    seen = look(session)
    claims_raw = sum(_later_raw(seen, claim, seconds) for claim in seen.portfolio.positions)
    total_raw = seen.portfolio.idle_raw(session.decide.asset) + claims_raw
    session.journal.append("prediction", seen.timestamp, {"seconds": seconds, "total_raw": str(total_raw)})
    return total_raw


def _later_raw(seen: Observation, claim: Position, seconds: int) -> int:
    adapter, state = adapter_of(claim.market), seen.state(claim.market)
    assert state is not None, "what is held was read"
    return adapter.value_raw(adapter.accrue(state, seconds), claim)


def look_back(folder: Path) -> Path:
    """Backtest on the synthetic tape; the page's path."""
    from agent.cli.asked import Asked
    from agent.cli.backtests import run

    out = folder / "report.html"
    with tables.console.status("running the backtest and its benchmarks"):
        run(Asked(data="", gas="", assets=("USDC",), start="", end="", cash=CASH_USD, seed=7), out, as_json=False)
    return out.resolve()


@contextmanager
def chain() -> Iterator[Devnet]:
    """The local chain, ended with the story."""
    with tables.console.status("starting the chain"):
        devnet = Devnet.start(progress=tables.say)
    with devnet:
        yield devnet


@contextmanager
def keeper(stage: Stage) -> Iterator[None]:
    """The keeper in its own process, ended with the story."""
    with tables.console.status("starting the keeper, which alone holds the key"):
        process = start_keeper(load_settings(stage.config, {}), stage.config)
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        end(stage.config)  # one that `run` started in its place


def wait_for_a_person(stage: Stage) -> None:
    """Leaves the chain and the keeper up until Ctrl-C, for a person to try commands in another terminal."""
    tables.say(f"the chain and the keeper run until Ctrl-C; try: usufruct observe --config {stage.config}")
    with suppress(KeyboardInterrupt):
        signal.pause()
