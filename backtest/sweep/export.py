"""A sweep's results as files: a table of all sets as CSV, everything but daily returns as JSON, heat maps. It writes no number
that is none; each row says whether it was run exactly or estimated."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from backtest.evidence.statement import for_programs
from backtest.sweep.heatmap import Point, pictures
from backtest.sweep.sweeping import Row, Swept

EXACT, ESTIMATED = "exact", "estimated"
LEFT_OUT = ("our own size", "the rounding of the contracts", "the guard")


def write(swept: Swept, cautions: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """`sets.csv`, `sweep.json` and `heat-*.svg`; pictures of an earlier sweep in the folder are taken away."""
    for old in folder.glob("heat-*.svg"):
        old.unlink()
    written = [
        _put(folder / "sets.csv", table_of(swept)),
        _put(folder / "sweep.json", json.dumps(content_of(swept, cautions), indent=1) + "\n"),
    ]
    known = [row for row in swept.rows if math.isfinite(row.apy)]
    points = [Point(dict(row.parameters), row.apy - swept.equal_weight_apy) for row in known]
    estimated = sum(row.exact is None for row in known)
    note = f"{len(known)} sets" + (f", {estimated} of them estimated" if estimated else "")
    for name, picture in pictures(points, note).items():
        written.append(_put(folder / f"heat-{name}.svg", picture))
    return tuple(written)


def table_of(swept: Swept) -> str:
    """All sets in their order as CSV. Amounts are base units; rates are shares per year."""
    text = io.StringIO()
    names = [name for name, _ in swept.rows[0].parameters]
    columns = ("kind", "final_raw", "gas_wei", "net", "apy", "above_equal_weight_apy", "drawdown", "moves")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["at", *names, *columns])
    for row in swept.rows:
        said = _row(swept, row)
        lines.writerow(
            [row.at, *(value for _, value in row.parameters), *("" if said[name] is None else said[name] for name in columns)]
        )
    return text.getvalue()


def content_of(swept: Swept, cautions: Sequence[str]) -> Mapping[str, object]:
    """The sweep for programs, with what a reader should beware of. Whole base units are texts; what is unknown is null."""
    selection, results = swept.selection, swept.study.results[1:]
    return {
        "sweep": dict(swept.header),
        "cautions": list(cautions),
        "sets": len(swept.rows),
        EXACT: sum(row.exact is not None for row in swept.rows),
        ESTIMATED: sum(row.exact is None for row in swept.rows),
        "an_estimate_leaves_out": list(LEFT_OUT) if any(row.exact is None for row in swept.rows) else [],
        "best": {"set": dict(swept.best.parameters), **_row(swept, swept.best)},
        "best_judged": {
            "final_raw": str(swept.judged.final_raw),
            "moves": swept.judged.moves,
            "refused": swept.judged.refused,
            "journal_head": swept.judged.journal_head,
        },
        "benchmarks": {result.name: {"net": result.figures.final, "apy": result.figures.apy} for result in results},
        "luck": {
            "trials": swept.evidence.trials,
            "effective_trials": _finite(selection.effective_trials),
            "probability_of_overfitting": selection.overfitting,
            "deflated_sharpe_of_highest_sharpe": _finite(selection.deflated_sharpe),
            "best": dict(for_programs(swept.evidence)),
        },
        "rows": [{"at": row.at, "set": dict(row.parameters), **_row(swept, row)} for row in swept.rows],
    }


def _row(swept: Swept, row: Row) -> dict[str, object]:
    exact = row.exact
    return {
        "kind": ESTIMATED if exact is None else EXACT,
        "final_raw": None if exact is None else str(exact.final_raw),
        "gas_wei": None if exact is None else str(exact.gas_wei),
        "net": _finite(row.net),
        "apy": _finite(row.apy),
        "above_equal_weight_apy": _finite(row.apy - swept.equal_weight_apy),
        "drawdown": None if exact is None else exact.drawdown,
        "moves": row.moves,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _put(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
