"""A study's facts for programs: one JSON with every figure, a CSV of daily values and a CSV of plans. Refuses figures that are
no numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from backtest import metrics
from backtest.numerals import moment
from backtest.scenario import Synthetic
from backtest.study import Study
from backtest.tables import outcome, spell
from wallets.policy import policy_digest

PLAN_COLUMNS: Final = ("decided_utc", "action", "reason", "expected_gain_apr", "plan_gas_usd", "outcome")


def write_tables(studies: Sequence[Study], beside: Path, asked: Mapping[str, object]) -> tuple[Path, ...]:
    """`NAME.json`, and for each asset `NAME-ASSET-daily.csv` and `NAME-ASSET-plans.csv`, beside the report."""
    written = list[Path]()
    for study in studies:
        stem = f"{beside.stem}-{study.main.asset.symbol}"
        written += [_daily(study, beside.with_name(f"{stem}-daily.csv")), _plans(study, beside.with_name(f"{stem}-plans.csv"))]
    summary = beside.with_suffix(".json")
    content = {
        "asked": asked,
        "files": [path.name for path in written],  # an earlier run's files of other assets may lie beside them
        "studies": {study.main.asset.symbol: _content(study) for study in studies},
    }
    summary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return (summary, *written)


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
        "synthetic": asdict(study.origin) if isinstance(study.origin, Synthetic) else None,
    }


def _daily(study: Study, path: Path) -> Path:
    """Each run's net value in the asset at the last row of each UTC day, and the strategy's in dollars."""
    import pandas as pd

    columns = {result.name: metrics.daily(result.curve.timestamp, result.curve.net) for result in study.results}
    columns[f"{study.main.name} in USD"] = metrics.daily(study.main.curve.timestamp, study.main.curve.net_usd)
    pd.DataFrame(columns).to_csv(path, index_label="day_utc", date_format="%Y-%m-%d", lineterminator="\n")
    return path


def _plans(study: Study, path: Path) -> Path:
    """One line an action of a plan of the strategy."""
    import pandas as pd

    run = study.main.run
    rows = list[dict[str, object]]()
    for step, fee_usd in zip(run.steps, study.main.curve.fees_usd, strict=True):
        if step.decision.plan is None:
            continue
        gain = metrics.expected_gain_apr(step, run.settings.decide.gate.lookback_seconds)
        for action in step.decision.plan.actions:
            told = (moment(step.seen.timestamp), spell(action), step.decision.reason, gain, fee_usd, outcome(study.main, step))
            rows.append(dict(zip(PLAN_COLUMNS, told, strict=True)))
    pd.DataFrame(rows, columns=list(PLAN_COLUMNS)).to_csv(path, index=False, float_format="%.6f", lineterminator="\n")
    return path
