"""The harness on the command line: `backtest` and `data`. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from agent.cli.options import Json

backtest_app = typer.Typer(help="Run a strategy over recorded or synthetic history, and report it.", no_args_is_help=True)
data_app = typer.Typer(help="Tapes: from files, public sources, or the chain.", no_args_is_help=True)


@backtest_app.command("run")
def backtest_run(
    data: Annotated[Optional[Path], typer.Option(help="A folder of recorded rates; without it a seeded synthetic tape.")] = None,  # noqa: UP045
    gas: Annotated[Optional[Path], typer.Option(help="A folder of recorded gas prices; goes with --data.")] = None,  # noqa: UP045
    asset: Annotated[Optional[list[str]], typer.Option(help="An asset of the data; may be given several times.")] = None,  # noqa: UP045
    start: Annotated[str, typer.Option(help="First day, UTC, as 2023-01-27; goes with --data.", show_default=False)] = "",
    end: Annotated[str, typer.Option(help="The day after the last one, UTC; goes with --data.", show_default=False)] = "",
    cash: Annotated[Optional[int], typer.Option(min=1, help="Whole units of the asset to begin with.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(min=0, help="What the synthetic tape is made from.")] = 7,
    out: Annotated[Path, typer.Option(help="Where the report goes; CSV and JSON lie beside it.")] = Path(
        "runs/backtest/report.html"
    ),
    json: Json = False,
) -> None:
    """Run lending rotation and its benchmarks, net of gas, and write one page."""
    from agent.cli.backtests import Asked
    from agent.cli.backtests import run as start_run

    asked = Asked(
        data=str(data or ""), gas=str(gas or ""), assets=tuple(asset or ()), start=start, end=end, cash=cash or 0, seed=seed
    )
    start_run(asked, out, as_json=json)


@backtest_app.command("report")
def backtest_report(
    run_file: Annotated[Path, typer.Argument(help="The JSON that `backtest run` wrote.")],
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("runs/backtest/report.html"),
) -> None:
    """Write the page of a finished run again."""
    from agent.cli.backtests import report

    report(run_file, out)
