"""A study with what must stand beside it: the evidence on its luck, the bound of hindsight, its exact days. Refuses a study
without its evidence: nothing is shown that leaves the trial count out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from backtest.daybook import Daybook, daybook_of
from backtest.evidence.statement import Evidence, evidence_of
from backtest.evidence.trials import NO_TRIALS, Trial, Trials, parameters_digest
from backtest.hindsight import Hindsight, Regret, hindsight_of, regret_of
from backtest.metrics import daily
from backtest.runs import RunSettings
from backtest.study import Study
from strategies.errors import UsufructError
from strategies.tape import Floats

SEED: Final = 20_120_601  # of the resampling, so that equal inputs give equal pages


class MissingEvidence(UsufructError):
    """A result was to be shown without what speaks for luck."""

    def __init__(self, what: str) -> None:
        super().__init__(f"no result is shown without its trial count and its luck: {what}")
        self.what: Final = what


@dataclass(frozen=True, slots=True)
class Weighed:
    """A study, the evidence on it, what hindsight would have had, and the strategy's exact days. Raises MissingEvidence."""

    study: Study
    evidence: Evidence
    bound: Hindsight
    book: Daybook

    def __post_init__(self) -> None:
        if not isinstance(self.evidence, Evidence):
            raise MissingEvidence("there is no evidence; make it with `weigh`")
        if self.evidence.trials < 1:
            raise MissingEvidence(f"{self.evidence.trials} trials are counted, and the result itself is one")
        if not self.evidence.sentence.strip():
            raise MissingEvidence("the evidence has no sentence for its reader")

    @property
    def regret(self) -> Regret:
        """What the strategy gave away against hindsight."""
        return regret_of(self.study.main, self.bound)


def weigh(study: Study, trials: Trials = NO_TRIALS) -> Weighed:
    """A study beside everything that was tried on its tape."""
    evidence = evidence_of(excess_of(study), trials=trials, seed=SEED)
    return Weighed(study, evidence, hindsight_of(study), daybook_of(study.main.run))


def trial_of(study: Study) -> Trial:
    """The study's strategy as one trial on its tape: it counts once, whoever runs it and however often."""
    run = study.main.run
    return Trial(parameters_digest(trial_terms(run.settings)), run.tape.digest, excess_of(study))


def trial_terms(settings: RunSettings) -> Mapping[str, object]:
    """What makes a run another trial: its strategy, gate, latency, opening and markets' terms; not its policy, which no study
    tries."""
    binding = {name: said for name, said in settings.terms.items() if said.binds}
    terms = {"terms": repr(binding)} if binding else {}
    return terms | {
        "asset": settings.decide.asset.symbol,
        "menu": repr(settings.decide.menu),
        "gate": repr(settings.decide.gate),
        "latency_rows": settings.latency_rows,
        "latency_seconds": settings.latency_seconds,
        "impact": repr(settings.impact),
        "opening_raw": str(settings.opening.idle_raw(settings.decide.asset)),
    }


def excess_of(study: Study) -> Floats:
    """The strategy's net return of each UTC day less that of equal weight [day]; a day that neither began with anything has none,
    and a day on which one of them was worth nothing or less is NaN."""
    main, other = (daily(result.curve.timestamp, result.curve.net).to_numpy() for result in (study.main, study.equal_weight))
    return _returns(main) - _returns(other)


def _returns(values: Floats) -> Floats:
    before = values[:-1]
    growth: Floats = np.divide(values[1:], before, out=np.full(len(before), np.nan), where=before > 0) - 1.0
    return growth
