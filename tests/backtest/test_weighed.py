"""A study is shown with its luck or not at all, and each trial counts once."""

import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from backtest.evidence.trials import record, trials_on
from backtest.metrics import daily
from backtest.scenario import Synthetic, sample_tape
from backtest.study import Study, Terms, rotation, study
from backtest.weighed import MissingEvidence, Weighed, excess_of, trial_of, weigh
from strategies.decide import DecideSettings
from strategies.domain import Asset


def studied(cash: int = 1_000_000, wait_days: int = 2) -> Study:
    def decide_for(asset: Asset) -> DecideSettings:
        settings = rotation(asset)
        return replace(settings, gate=replace(settings.gate, min_wait_seconds=wait_days * 86_400))

    tape = sample_tape(seed=5, hours=24 * 80)
    terms = Terms(cash=Decimal(cash), latency_rows=1, decide_for=decide_for)
    return study(tape, tape.deployment.assets[0], terms, Synthetic(5))


@pytest.fixture(scope="module")
def weighed() -> Weighed:
    return weigh(studied())


def test_the_excess_is_the_difference_of_both_daily_returns(weighed: Weighed) -> None:
    main, other = (daily(r.curve.timestamp, r.curve.net) for r in (weighed.study.main, weighed.study.equal_weight))
    expected = (main.pct_change() - other.pct_change()).dropna().to_numpy()
    assert np.allclose(excess_of(weighed.study), expected, rtol=0, atol=1e-15) and len(expected) == 79


def test_evidence_is_a_must(weighed: Weighed) -> None:
    with pytest.raises(MissingEvidence, match="there is no evidence"):
        replace(weighed, evidence=None)  # type: ignore[arg-type]
    with pytest.raises(MissingEvidence, match="0 trials are counted"):
        replace(weighed, evidence=replace(weighed.evidence, trials=0))
    with pytest.raises(MissingEvidence, match="no sentence"):
        replace(weighed, evidence=replace(weighed.evidence, sentence=" "))


def test_a_setting_tried_twice_counts_once_and_another_counts_more(weighed: Weighed, tmp_path: Path) -> None:
    file, tape = tmp_path / "trials.sqlite", weighed.study.main.run.tape.digest
    for _ in range(2):
        record(file, [trial_of(weighed.study)])
    assert weigh(weighed.study, trials_on(file, tape)).evidence.trials == 1
    record(file, [trial_of(studied(wait_days=5))])
    assert weigh(weighed.study, trials_on(file, tape)).evidence.trials == 2


def test_a_day_that_began_with_nothing_makes_the_luck_unknown() -> None:
    poor = studied(cash=1)
    assert np.isnan(excess_of(poor)).any()
    evidence = weigh(poor).evidence
    assert math.isnan(evidence.deflated_sharpe) and evidence.trials == 1 and "Nothing can be said" in evidence.sentence
