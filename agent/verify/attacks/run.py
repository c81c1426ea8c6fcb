"""Every case of a catalogue, one after another: each handed to the runner of its surface without what is expected of it, and
scored before the next one changes the world.

Refuses to skip but for surfaces that do not exist yet; what a runner cannot carry out fails its case."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPException
from pickle import PicklingError
from subprocess import SubprocessError
from typing import TYPE_CHECKING, Final

from eth_abi.exceptions import DecodingError, EncodingError

from agent.verify.attacks import score
from agent.verify.attacks.catalogue import Case, Catalogue, YAMLError
from agent.verify.attacks.effort import weighed
from agent.verify.attacks.outcome import Input, Outcome, Runner, Setting, Unrealised
from agent.verify.attacks.score import Result
from strategies.errors import UsufructError

if TYPE_CHECKING:
    from agent.verify.attacks.unguarded import Loss

MISSING: Final[Mapping[str, str]] = {  # surfaces, and why there is nothing to hand their cases to
    "http": "there is no console yet: no HTTP surface",
    "market": "no market data of others enters yet: markets are the deployment's, figures the chain's",
    "token_meta": "no text of a token is read: symbols are the deployment's",
    "context": "no text from outside enters yet: the model sees a table of figures, and nothing came of this text",
    "memory": "there is no long-term memory yet: nothing that was said is remembered, and nothing came of it",
}
ON_CHAIN: Final = frozenset({"tx", "plan", "sequence", "approval_request", "checkpoint", "fee_bump"})
PROPOSED: Final = "llm_output"
SENT: Final = frozenset({"tx", "plan"})  # what can be sent with nobody in between
BREAKS: Final = (  # whatever a strange case may break: its own result, never the run
    *(UsufructError, DecodingError, EncodingError, HTTPException, SubprocessError, PicklingError, YAMLError),
    *(ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, MemoryError, NameError, OSError),
    *(RuntimeError, StopIteration, SyntaxError, TypeError, ValueError),
)


class Runners:
    """The runners of all surfaces; the local chain is started for the first case that needs it. Use as a context manager's
    stack's guest: what it opens is closed with `stack`."""

    __slots__ = ("_broken", "_known", "_setting", "_stack")

    def __init__(self, setting: Setting, stack: ExitStack) -> None:
        self._setting: Final = setting
        self._stack: Final = stack
        self._known: Final[dict[str, Runner]] = {}
        self._broken: Final[dict[str, str]] = {}  # surfaces whose world cannot be built, and why: it is tried once

    def of(self, surface: str) -> Runner:
        """The runner of a surface. Raises Unrealised where there is none."""
        if surface in self._broken:
            raise Unrealised(self._broken[surface])
        if surface not in self._known:
            self._known.update(self._built(surface))
            if surface == PROPOSED and PROPOSED in self._known:
                self._known[PROPOSED] = self._to_the_guard(self._known[PROPOSED])
        if surface not in self._known:
            raise Unrealised(f"nobody runs the surface {surface}")
        return self._known[surface]

    def _built(self, surface: str) -> Mapping[str, Runner]:
        try:
            return self._opened(surface)
        except (Unrealised, *BREAKS) as error:
            why = str(error) if isinstance(error, Unrealised) else f"{type(error).__name__}: {error}"[:500]
            self._broken.update(dict.fromkeys(ON_CHAIN if surface in ON_CHAIN else (surface,), why))
            raise

    def _to_the_guard(self, read: Runner) -> Runner:
        """An answer that was read, where the guard is the one to stop it: its moves are judged as the plan they make."""

        def run(handed: Input, setting: Setting) -> Outcome:
            found = read(handed, setting)
            if handed.layer != "guard" or found.verdict != "allow":
                return found
            from agent.verify.attacks.answers import spoken

            said = spoken(handed, setting)
            steps = {"sequence": [{"plan": ", ".join(said)}]}
            return self.of("sequence")(replace(handed, surface="sequence", content=steps), setting) if said else found

        return run

    def _opened(self, surface: str) -> Mapping[str, Runner]:
        if surface in ON_CHAIN:
            from agent.verify.attacks.world import chain_runners

            return self._stack.enter_context(chain_runners(self._setting))
        from agent.verify.attacks.house import house_runners

        return self._stack.enter_context(house_runners(self._setting))


def unguarded(catalogue: Catalogue, wanted: Callable[[Case], bool]) -> Iterator[tuple[Case, "Loss | str"]]:
    """What each wanted attack by transaction or plan costs with nobody in between, or why it could not be tried."""
    from agent.verify.attacks.unguarded import without_guard
    from agent.verify.attacks.world import stage

    with stage(catalogue.setting) as laid:
        for case in catalogue.cases:
            if case.seen.surface in SENT and not case.is_benign and not case.unread and wanted(case):
                try:
                    yield case, without_guard(laid, case.seen)
                except (Unrealised, *BREAKS) as error:
                    yield case, f"{type(error).__name__}: {error}"


def run(catalogue: Catalogue, wanted: Callable[[Case], bool]) -> Iterator[Result]:
    """What became of each wanted case, as it is known."""
    with ExitStack() as stack:
        runners = Runners(catalogue.setting, stack)
        for case in catalogue.cases:
            if wanted(case):
                yield one(case, catalogue.setting, runners.of)


def beside(handed: Input) -> Input:
    """What reaches this product of words that somebody remembered or read: nothing of them, and all that came of them, a model's
    answer or a transaction, which the last line must judge whatever led to it."""
    came = next((surface for surface in ("llm_output", "tx", "plan") if surface in handed.content), None)
    if handed.surface not in ("context", "memory") or came is None:
        return handed
    return replace(handed, surface=came, layer="guard", content={came: handed.content[came]})


def one(case: Case, setting: Setting, runner_of: Callable[[str], Runner]) -> Result:
    """What became of one case."""
    if case.unread:
        return score.failed(case, f"nobody knows the words {', '.join(case.unread)}")
    seen = beside(case.seen)
    if seen.surface in MISSING:
        return score.skipped(case, MISSING[seen.surface])
    try:
        return score.scored(case, weighed(runner_of(seen.surface))(seen, setting))
    except Unrealised as error:
        return score.failed(case, f"the harness cannot carry it out: {error}")
    except BREAKS as error:
        return score.failed(case, f"the harness broke: {type(error).__name__}: {error}"[:500])
