"""A study's facts for programs: one JSON with every figure and its luck; CSVs of daily values, plans, exact days and accounts.
Refuses figures that are no numbers, and accounts that do not come out to the ledger's unit."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from backtest import daybook, hindsight, metrics
from backtest.accounts import Accounts, accounts_of, reconcile, tape_prices
from backtest.cautions import cautions_of
from backtest.crises import Crisis
from backtest.evidence.statement import for_programs
from backtest.importers.defects import ImportReport
from backtest.numerals import exact, moment
from backtest.runs import Run
from backtest.saved_tapes import Saved
from backtest.scenario import Synthetic
from backtest.study import Study
from backtest.tables import outcome, spell
from backtest.terms import content_of as terms_content
from backtest.weighed import Weighed
from wallets.policy import policy_digest

INTEREST: Final = "interest"  # the memo of what `ledger.accrual` books
PLAN_COLUMNS: Final = ("decided_utc", "action", "reason", "expected_gain_apr", "plan_gas_usd", "outcome")


ACCOUNT_COLUMNS: Final = (
    *("time_utc", "kind", "asset", "quantity", "account", "lot", "acquired_utc"),
    *("value_usd", "cost_usd", "gain_usd"),
)
USD_DECIMALS: Final = 8


def write_tables(weighed: Sequence[Weighed], beside: Path, asked: Mapping[str, object]) -> tuple[Path, ...]:
    """`NAME.json`, and for each asset `NAME-ASSET-daily.csv`, `-plans.csv`, `-books.csv` and `-accounts.csv`, beside the report.
    Raises LedgerMismatch, Unaccountable."""
    written = list[Path]()
    for one in weighed:
        stem = f"{beside.stem}-{one.study.main.asset.symbol}"
        written += [
            _daily(one, beside.with_name(f"{stem}-daily.csv")),
            _plans(one.study, beside.with_name(f"{stem}-plans.csv")),
            daybook.write(one.book, beside.with_name(f"{stem}-books.csv")),
            write_accounts(account(one.study.main.run), beside.with_name(f"{stem}-accounts.csv")),
        ]
    summary = beside.with_suffix(".json")
    content = {
        "asked": asked,
        "files": [path.name for path in written],  # an earlier run's files of other assets may lie beside them
        "studies": {
            one.study.main.asset.symbol: _content(one, f"{beside.stem}-{one.study.main.asset.symbol}-books.csv")
            for one in weighed
        },
    }
    summary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return (summary, *written)


def account(run: Run) -> Accounts:
    """The accounts of a finished run at the tape's prices, held against its ledger. Raises LedgerMismatch, Unaccountable."""
    interest = [entry for entry in run.ledger.entries if entry.memo == INTEREST]
    entries = (*daybook.entries_when_executed(run), *interest)
    found = accounts_of(entries, price=tape_prices(run.tape), until=int(run.tape.timestamp[-1]))
    reconcile(found, run.ledger)
    return found


def write_accounts(accounts: Accounts, path: Path) -> Path:
    """One line a fact, quantities and dollars with every digit; an empty cell is not known or does not apply."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(ACCOUNT_COLUMNS)
        for line in accounts.lines:
            asset = line.amount.asset
            told = (moment(line.timestamp), line.kind, asset.symbol, exact(line.amount.raw, asset.decimals), line.account)
            lot = ("" if line.lot is None else line.lot, "" if line.acquired is None else moment(line.acquired))
            worth = [_usd(usd_e8) for usd_e8 in (line.value_usd_e8, line.cost_usd_e8, line.gain_usd_e8)]
            rows.writerow((*told, *lot, *worth))
    return path


def _usd(usd_e8: int | None) -> str:
    return "" if usd_e8 is None else exact(usd_e8, USD_DECIMALS)


def _content(weighed: Weighed, book_file: str) -> dict[str, object]:
    study, bound = weighed.study, weighed.bound
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
            "latency_seconds": settings.latency_seconds,
            "own_impact": settings.impact is not None,
            "terms": {name: terms_content(said) for name, said in settings.terms.items()},
            "policy_digest": None if settings.policy is None else policy_digest(settings.policy),
        },
        "results": {result.name: asdict(result.figures) | {"journal_head": result.run.journal.head} for result in study.results},
        "evidence": for_programs(weighed.evidence),
        "best_in_hindsight": {"final": float(bound.value[-1]), "apy": bound.apy, "best_market_apy": bound.best_market},
        "regret": asdict(weighed.regret),
        "books": {"file": book_file, **daybook.heading(weighed.book)},
        "import": None if study.imported is None else _imported(study.imported),
        "synthetic": asdict(study.origin) if isinstance(study.origin, Synthetic) else None,
        "saved": asdict(study.origin) if isinstance(study.origin, Saved) else None,
        "crisis": study.origin.name if isinstance(study.origin, Crisis) else None,
        "cautions": list(cautions_of(study)),
    }


def _imported(report: ImportReport) -> dict[str, object]:
    """What was read; a finding's rows stay with the tape."""
    findings = [asdict(replace(found, rows=())) | {"mark": found.mark.name} for found in report.findings]
    return asdict(replace(report, findings=())) | {"findings": findings}


def _daily(weighed: Weighed, path: Path) -> Path:
    """Each run's net value in the asset at the last row of each UTC day, hindsight's, and the strategy's in dollars."""
    import pandas as pd

    study = weighed.study
    columns = {result.name: metrics.daily(result.curve.timestamp, result.curve.net) for result in study.results}
    columns[f"{study.main.name} in USD"] = metrics.daily(study.main.curve.timestamp, study.main.curve.net_usd)
    columns[hindsight.LABEL] = metrics.daily(study.main.curve.timestamp, weighed.bound.value)
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
