"""A study's facts for programs: one JSON with every figure, a CSV of daily values and a CSV of plans. Refuses figures that are
no numbers."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from backtest import metrics
from backtest.numerals import moment
from backtest.study import Study
from backtest.tables import outcome, spell
from wallets.policy import policy_digest


def write_tables(studies: Sequence[Study], beside: Path, asked: Mapping[str, object]) -> tuple[Path, ...]:
    """`NAME.json`, and for each asset `NAME-ASSET-daily.csv` and `NAME-ASSET-plans.csv`, beside the report."""
    summary = beside.with_suffix(".json")
    content = {"asked": asked, "studies": {study.main.asset.symbol: _content(study) for study in studies}}
    summary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    written = [summary]
    for study in studies:
        stem = f"{beside.stem}-{study.main.asset.symbol}"
        written += [_daily(study, beside.with_name(f"{stem}-daily.csv")), _plans(study, beside.with_name(f"{stem}-plans.csv"))]
    return tuple(written)


def _content(study: Study) -> dict[str, object]:
    settings, tape = study.main.run.settings, study.main.run.tape
    return {
        "tape": {
            "name": tape.deployment.name,
            "digest": tape.digest,
            "rows": len(tape),
            "first": int(tape.timestamp[0]),
            "last": int(tape.timestamp[-1]),
        },
        "settings": {
            "menu": repr(settings.decide.menu),
            "gate": asdict(settings.decide.gate),
            "latency_rows": settings.latency_rows,
            "policy_digest": policy_digest(settings.policy),
        },
        "results": {result.name: asdict(result.figures) | {"journal_head": result.run.journal.head} for result in study.results},
        "import": asdict(study.imported) if study.imported else None,
    }


def _daily(study: Study, path: Path) -> Path:
    """Each run's net value in the asset at the last row of each UTC day, and the strategy's in dollars."""
    rows = metrics.daily_rows(study.main.curve.timestamp)
    columns = [result.curve.net[rows].tolist() for result in study.results]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time_utc", *(result.name for result in study.results), f"{study.main.name} in USD"])
        times = study.main.curve.timestamp[rows].tolist()
        for at, *values in zip(times, *columns, study.main.curve.net_usd[rows].tolist(), strict=True):
            writer.writerow([moment(at), *values])
    return path


def _plans(study: Study, path: Path) -> Path:
    """One line an action of a plan of the strategy."""
    run = study.main.run
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["decided_utc", "action", "reason", "expected_gain_apr", "plan_gas_usd", "outcome"])
        for step, fee_usd in zip(run.steps, study.main.curve.fees_usd, strict=True):
            if step.decision.plan is None:
                continue
            gain = metrics.expected_gain_apr(step, run.settings.decide.gate.lookback_seconds)
            told = (step.decision.reason, f"{gain:.6f}", f"{fee_usd:.4f}", outcome(study.main, step))
            writer.writerows([moment(step.seen.timestamp), spell(action), *told] for action in step.decision.plan.actions)
    return path
