"""Measures the guarded wallet: `python -m tests.bench.wallet`, or `make bench`. One JSON line a job, on standard output.

"guard verdict": every check on a case that is already gathered, and the yes with its digest; processor time a call, for plans of
one, two and four calls, in the tests' small world and over every lending market of the local chain. "judge": the live wallet's
whole answer on that chain, both reads, both simulations and the store's writes included, as a person waits for it (wall time;
the node has a part in it), the median of plans with the same two calls; then the share of each step. A case that is refused ends
the run."""

import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any, Final

from agent.devnet.chain import Devnet
from strategies.domain import Action, Plan, Supply, Withdraw
from strategies.protocols import registry
from strategies.protocols.registry import deployment_from
from strategies.units import WAD
from tests.bench.clock import MICROSECONDS, microseconds
from tests.bench.protocols import Line
from tests.wallets import trades
from tests.wallets.cases import AAVE_USDC, usdc
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, Bench, bench, yes
from wallets import decimals, evidence, guard, pinned
from wallets.case import Case
from wallets.evidence import Asked
from wallets.pause import Held
from wallets.wallet import OWN_FEES, Approved

LENDING: Final = ("aave_v3", "stata", "compound_v2", "compound_v3", "morpho_blue", "metamorpho")
FIRST, SECOND = "aave-core:USDC", "comet:USDC"
STEPS: Final[tuple[tuple[ModuleType, str, str], ...]] = (  # where each step is called by its name
    (evidence.blocks, "read", "read the block"),
    (evidence, "expected_effects", "model"),
    (evidence, "_simulated", "simulate twice, fees"),
    (pinned, "changed", "code hashes"),
    (decimals, "otherwise", "decimals"),
    (evidence, "standing_allowances", "standing allowances"),
    (guard, "judge", "guard"),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    judged: int
    budget_seconds: float  # of each repeat of a verdict


FULL: Final = Size(judged=60, budget_seconds=0.1)


def small_cases() -> Mapping[int, Case]:
    """Plans of one, two and four calls in the tests' small world."""
    ether_pool = trades.swap(3_000, WAD * 999 // 1_000)
    return {
        1: trades.trading(Withdraw(AAVE_USDC, usdc(500)), portfolio=trades.holding(AAVE_USDC, 10**9)),
        2: trades.trading(ether_pool),
        4: trades.trading(Supply(AAVE_USDC, usdc(500)), ether_pool),
    }


def chain_plans(chain: Chain) -> Mapping[int, tuple[Action, ...]]:
    """The same on the local chain."""
    first, second = chain.market(FIRST), chain.market(SECOND)
    some = chain.usdc(500)
    return {1: (Withdraw(first, some),), 2: (Supply(first, some),), 4: (Supply(first, some), Supply(second, some))}


def verdicts(world: str, cases: Mapping[int, Case], size: Size) -> Iterator[Line]:
    """Processor time of the guard, a call."""
    for count, case in cases.items():
        verdict = guard.judge(case)
        assert isinstance(verdict, Approved), verdict
        assert len(case.calls) == count
        each_us = microseconds(partial(guard.judge, case), size.budget_seconds) / count
        yield line("guard verdict", f"{world}, a plan of {count}, each call", each_us)


def chain_cases(chain: Chain, at: Bench) -> Mapping[int, Case]:
    """What the wallet gathers of its plans on the local chain."""
    return {count: gathered(at, Plan(plan, chain.devnet.node.latest()[0], "")) for count, plan in chain_plans(chain).items()}


def gathered(at: Bench, plan: Plan) -> Case:
    """What a live wallet asks its checks about."""
    calls = tuple([call for action in plan.actions for call in registry.encode(action, ACCOUNT)])
    standing = evidence.standing_allowances(at.parts.endpoint, at.parts.deployment, ACCOUNT, calls)
    asked = Asked("one", calls, plan.block, Held("", ""), standing, OWN_FEES)
    return evidence.gather(at.parts.endpoint, at.parts.policy, at.parts.deployment, asked)


def judged(chain: Chain, at: Bench, size: Size) -> Iterator[Line]:
    """The whole answer, and what each step has of it."""
    whole, steps = list[float](), defaultdict[str, list[float]](list)
    block = chain.devnet.node.latest()[0]
    for number in range(size.judged):
        plan = Plan(chain_plans(chain)[2], block, "")
        with timed() as spent:
            start = time.perf_counter()
            verdict = at.wallet.judge(plan, f"judged-{number}")
            whole.append(time.perf_counter() - start)
        assert isinstance(verdict, Approved), verdict
        for name, seconds in spent.items():
            steps[name].append(seconds)
        steps["the rest: journal, store, wire"].append(whole[-1] - sum(spent.values()))
    yield line("judge", "whole, a plan of 2", median(whole) * MICROSECONDS)
    for name, each in steps.items():
        yield line("judge", f"of which: {name}", median(each) * MICROSECONDS)


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """The seconds of each step while this lasts."""
    spent, before = defaultdict[str, float](float), [(module, name, vars(module)[name]) for module, name, _ in STEPS]
    for module, name, title in STEPS:
        vars(module)[name] = _counted(vars(module)[name], title, spent)
    try:
        yield spent
    finally:
        for module, name, real in before:
            vars(module)[name] = real


def _counted(step: Callable[..., Any], title: str, spent: dict[str, float]) -> Callable[..., Any]:
    def run(*given: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return step(*given, **named)
        finally:
            spent[title] += time.perf_counter() - start

    return run


@contextmanager
def lending_chain() -> Iterator[tuple[Chain, Bench]]:
    """Every lending market of a fresh local chain, and a wallet that has something in one of them."""
    with Devnet.start() as devnet, tempfile.TemporaryDirectory() as folder:
        whole = deployment_from(devnet.everything)
        markets = tuple([market for market in whole.markets if market.protocol in LENDING])
        chain = Chain(devnet, replace(whole, markets=markets))
        chain.fund(ACCOUNT)
        with bench(chain, Path(folder)) as at:
            approved = at.approved(
                Plan((Supply(chain.market(FIRST), chain.usdc(2_000)),), devnet.node.latest()[0], ""), "opening"
            )
            assert at.wallet.execute(approved, yes(approved)).complete
            yield chain, at


def line(job: str, operation: str, ours_us: float) -> Line:
    """Nobody else does this job, so there is no peer."""
    nobody = {"peer": None, "peer_us": None, "ratio": None}
    return {"job": job, "adapter": "", "operation": operation, "ours_us": round(ours_us, 3), **nobody}


def lines(size: Size) -> Iterator[Line]:
    """Every job."""
    yield from verdicts("small world", small_cases(), size)
    with lending_chain() as (chain, at):
        world = f"{len(chain.deployment.markets)} markets"
        yield from verdicts(world, chain_cases(chain, at), size)
        yield from judged(chain, at, size)


def main() -> None:
    for found in lines(FULL):
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
