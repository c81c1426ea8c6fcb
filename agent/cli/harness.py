"""The harness on the command line: `backtest` and `data`. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from agent.cli.options import CONFIG, Config, Json

# What a run is asked, the same for `run`, `sweep` and `walk-forward`.
Tape = Annotated[
    Optional[Path],  # noqa: UP045  (typer reads this annotation at run time)
    typer.Option(
        help="A saved tape, as `data import` and `data record` write it; a terms.json in its folder says when its markets take "
        "deposits, how late they pay, and what borrowers are charged."
    ),
]
Data = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="A folder of recorded Aave rates. Without --data, --tape or --crisis: a seeded synthetic tape."),
]
Gas = Annotated[Optional[Path], typer.Option(help="A folder of recorded gas prices; goes with --data.")]  # noqa: UP045
Crisis = Annotated[
    str, typer.Option(help="A named crisis, such as usdc-march-2023; a wrong name lists them.", show_default=False)
]
Start = Annotated[str, typer.Option(help="First day, UTC, as 2023-01-27; goes with --data.", show_default=False)]
End = Annotated[str, typer.Option(help="The day after the last one, UTC; goes with --data.", show_default=False)]
Cash = Annotated[Optional[int], typer.Option(min=1, help="Whole units of the asset to begin with; else 1,000,000 dollars.")]  # noqa: UP045
Seed = Annotated[int, typer.Option(min=0, help="What the synthetic tape is made from.")]
LatencyRows = Annotated[int, typer.Option(min=0, help="Rows between a decision and its execution; 0 is told as a warning.")]
Stance = Annotated[str, typer.Option(help="conservative, balanced or unrestrained.")]
OwnImpact = Annotated[
    bool, typer.Option("--own-impact/--no-own-impact", help="Count how our own deposits lower the rates; without it a warning.")
]

backtest_app = typer.Typer(help="Run a strategy over recorded or synthetic history, and report it.", no_args_is_help=True)
data_app = typer.Typer(help="Tapes: from files, public sources, or the chain.", no_args_is_help=True)
fetch_app = typer.Typer(help="Public sources to a folder; what was fetched once is not asked for again.", no_args_is_help=True)
data_app.add_typer(fetch_app, name="fetch")


@backtest_app.command("run")
def backtest_run(
    data: Data = None,
    gas: Gas = None,
    tape: Tape = None,
    crisis: Crisis = "",
    asset: Annotated[Optional[list[str]], typer.Option(help="An asset of the tape; may be given several times.")] = None,  # noqa: UP045
    start: Start = "",
    end: End = "",
    cash: Cash = None,
    seed: Seed = 7,
    latency_rows: LatencyRows = 1,
    stance: Stance = "balanced",
    own_impact: OwnImpact = True,
    count: Annotated[int, typer.Option(min=1, help="Markets held at a time, in equal parts.")] = 1,
    threshold_bps: Annotated[int, typer.Option(min=0, help="By how much the best must beat what is held, a year.")] = 50,
    lookback_hours: Annotated[int, typer.Option(min=1, help="Hours of rates that are averaged.")] = 72,
    cadence_hours: Annotated[int, typer.Option(min=1, help="Hours between two decisions.")] = 24,
    out: Annotated[Path, typer.Option(help="Where the report goes; CSV and JSON lie beside it.")] = Path(
        "runs/backtest/report.html"
    ),
    json: Json = False,
) -> None:
    """Run lending rotation and its benchmarks, net of gas, and write one page."""
    from agent.cli.asked import Asked
    from agent.cli.backtests import run as start_run

    asked = Asked(
        data=str(data or ""),
        gas=str(gas or ""),
        tape=str(tape or ""),
        crisis=crisis,
        assets=tuple(asset or ()),
        start=start,
        end=end,
        cash=cash or 0,
        seed=seed,
        latency_rows=latency_rows,
        stance=stance,
        own_impact=own_impact,
        count=count,
        threshold_bps=threshold_bps,
        lookback_hours=lookback_hours,
        cadence_hours=cadence_hours,
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


@backtest_app.command("sweep")
def backtest_sweep(
    data: Data = None,
    gas: Gas = None,
    tape: Tape = None,
    crisis: Crisis = "",
    asset: Annotated[str, typer.Option(help="The asset of the data or the tape.", show_default=False)] = "",
    start: Start = "",
    end: End = "",
    cash: Cash = None,
    seed: Seed = 7,
    latency_rows: LatencyRows = 1,
    stance: Stance = "balanced",
    own_impact: OwnImpact = True,
    vary: Annotated[Optional[list[str]], typer.Option("--set", help="As threshold_bps=10,25 or count=1..5:1; repeat it.")] = None,  # noqa: UP045
    space: Annotated[Optional[Path], typer.Option(help="A TOML file with [parameters].")] = None,  # noqa: UP045
    sample: Annotated[str, typer.Option(help="grid, random or latin (a Latin hypercube).")] = "grid",
    count: Annotated[int, typer.Option(min=1, help="How many sets a sample has.")] = 100,
    draw_seed: Annotated[int, typer.Option(min=0, help="What a sample is drawn from.")] = 1,
    processes: Annotated[int, typer.Option(min=0, help="How many; 0 for one a processor.")] = 0,
    cluster: Annotated[str, typer.Option(help="A Dask scheduler, as tcp://host:8786.", show_default=False)] = "",
    exact: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Estimate all sets together in floating point, and run only so many of the best exactly."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of results; the same command again goes on in it.")] = Path("runs/sweep"),
    json: Json = False,
) -> None:
    """Many parameter sets of lending rotation over one asset: a table, heat maps, and how likely the best is luck."""
    from agent.cli import sweeps
    from agent.cli.asked import Asked

    asked = Asked(
        data=str(data or ""),
        gas=str(gas or ""),
        tape=str(tape or ""),
        crisis=crisis,
        assets=(asset,) if asset else (),
        start=start,
        end=end,
        cash=cash or 0,
        seed=seed,
        latency_rows=latency_rows,
        stance=stance,
        own_impact=own_impact,
    )
    wanted = sweeps.Wanted(
        said=tuple(vary or ()),
        space=space,
        sample=sample,
        count=count,
        draw_seed=draw_seed,
        processes=processes,
        cluster=cluster,
        out=out,
    )
    sweeps.sweep(asked, wanted, exact=exact, as_json=json)


@backtest_app.command("walk-forward")
def backtest_walk_forward(
    data: Data = None,
    gas: Gas = None,
    tape: Tape = None,
    crisis: Crisis = "",
    asset: Annotated[str, typer.Option(help="The asset of the data or the tape.", show_default=False)] = "",
    start: Start = "",
    end: End = "",
    cash: Cash = None,
    seed: Seed = 7,
    latency_rows: LatencyRows = 1,
    stance: Stance = "balanced",
    own_impact: OwnImpact = True,
    vary: Annotated[Optional[list[str]], typer.Option("--set", help="As threshold_bps=10,25 or count=1..5:1; repeat it.")] = None,  # noqa: UP045
    space: Annotated[Optional[Path], typer.Option(help="A TOML file with [parameters].")] = None,  # noqa: UP045
    sample: Annotated[str, typer.Option(help="grid, random or latin (a Latin hypercube).")] = "grid",
    count: Annotated[int, typer.Option(min=1, help="How many sets a sample has.")] = 100,
    draw_seed: Annotated[int, typer.Option(min=0, help="What a sample is drawn from.")] = 1,
    processes: Annotated[int, typer.Option(min=0, help="How many; 0 for one a processor.")] = 0,
    cluster: Annotated[str, typer.Option(help="A Dask scheduler, as tcp://host:8786.", show_default=False)] = "",
    train_days: Annotated[int, typer.Option(min=2, help="Days that a set is chosen by.")] = 120,
    test_days: Annotated[int, typer.Option(min=1, help="Days that it is then used for.")] = 30,
    anchored: Annotated[bool, typer.Option("--anchored", help="Choose by all days since the first, not by the latest.")] = False,
    by: Annotated[str, typer.Option(help="What sets are chosen by: growth or deflated (the Sharpe ratio).")] = "growth",
    out: Annotated[Path, typer.Option(help="The folder of results; a sweep of the same sets is taken up.")] = Path("runs/sweep"),
    json: Json = False,
) -> None:
    """Choose a set on some days and use it on the next, over and over: what choosing by history would have earned."""
    from agent.cli import sweeps
    from agent.cli.asked import Asked

    asked = Asked(
        data=str(data or ""),
        gas=str(gas or ""),
        tape=str(tape or ""),
        crisis=crisis,
        assets=(asset,) if asset else (),
        start=start,
        end=end,
        cash=cash or 0,
        seed=seed,
        latency_rows=latency_rows,
        stance=stance,
        own_impact=own_impact,
    )
    wanted = sweeps.Wanted(
        said=tuple(vary or ()),
        space=space,
        sample=sample,
        count=count,
        draw_seed=draw_seed,
        processes=processes,
        cluster=cluster,
        out=out,
    )
    sweeps.walk_forward(asked, wanted, windows=(train_days, test_days, anchored), by=by, as_json=json)


@backtest_app.command("compare")
def backtest_compare(
    a: Annotated[Path, typer.Argument(help="The JSON or the folder of a finished run.")],
    b: Annotated[Path, typer.Argument(help="Another's.")],
    json: Json = False,
) -> None:
    """Explain line by line, to the base unit, what the second earned more or less than the first."""
    from agent.cli.comparing import compare_runs

    compare_runs(a, b, as_json=json)


@backtest_app.command("look-ahead")
def backtest_look_ahead(
    strategy: Annotated[str, typer.Option(help="Your strategy, as module:Class or file.py:Class; its code is run.")],
    tape: Annotated[Optional[Path], typer.Option(help="A saved tape; without it a seeded synthetic one.")] = None,  # noqa: UP045
    said: Annotated[Optional[list[str]], typer.Option("--set", help="What it is made with, as count=2; repeat it.")] = None,  # noqa: UP045
    asset: Annotated[str, typer.Option(help="The asset it is asked about; else the tape's first.", show_default=False)] = "",
    looks: Annotated[int, typer.Option(min=1, help="At how many rows it is asked.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="What the other futures are made from.")] = 1,
    json: Json = False,
) -> None:
    """Whether a strategy sees the future, remembers, throws dice or reads a clock: exit 0 if not, 1 if so, 2 if unreadable."""
    from agent.cli.look_ahead import Asked, look_ahead

    asked = Asked(strategy=strategy, said=tuple(said or ()), tape=tape, asset=asset, looks=looks, seed=seed)
    if not look_ahead(asked, as_json=json):
        raise typer.Exit(1)


@backtest_app.command("replay")
def backtest_replay(
    run: Annotated[Path, typer.Argument(help="The recipe, the JSON or the folder of a finished run.")],
    json: Json = False,
) -> None:
    """Run a finished run again from its recipe: equal, or the first difference and what changed since (exit 1)."""
    from agent.cli.comparing import replay

    if not replay(run, as_json=json):
        raise typer.Exit(1)


@fetch_app.command("llama")
def fetch_llama(
    out: Annotated[Path, typer.Option(help="The folder that the answers go to.")],
    pool: Annotated[Optional[list[str]], typer.Option(help="A pool's id; may be given several times.")] = None,  # noqa: UP045
    project: Annotated[Optional[list[str]], typer.Option(help="Such as aave-v3; may be given several times.")] = None,  # noqa: UP045
    chain: Annotated[Optional[list[str]], typer.Option(help="Such as Ethereum; may be given several times.")] = None,  # noqa: UP045
    symbol: Annotated[Optional[list[str]], typer.Option(help="Such as USDC; may be given several times.")] = None,  # noqa: UP045
    base: Annotated[str, typer.Option(help="Another address of the same API, such as a mirror's.")] = "https://yields.llama.fi",
    timeout: Annotated[int, typer.Option(min=1, help="Seconds for one answer.")] = 60,
    json: Json = False,
) -> None:
    """DefiLlama's list of pools, and the daily history of those that fit."""
    from agent.cli.fetch import fetch_llama as start_fetch
    from agent.fetch.llama import Wanted

    wanted = Wanted(tuple(pool or ()), tuple(project or ()), tuple(chain or ()), tuple(symbol or ()))
    start_fetch(out, wanted, base=base, timeout_seconds=timeout, as_json=json)


@fetch_app.command("chain")
def fetch_chain(
    out: Annotated[Path, typer.Option(help="The folder that the samples go to; the tape is below it.")],
    deployment: Annotated[Path, typer.Option(help="The deployment file: whose markets to read.")],
    start: Annotated[str, typer.Option(help="The first time, UTC, as 2023-01-27 or 2023-01-27T08:00.")],
    end: Annotated[str, typer.Option(help="The time after the last one.")],
    endpoint: Annotated[
        str, typer.Option(envvar="USUFRUCT_CHAIN__ENDPOINT", help="An archive endpoint; it is written down without its key.")
    ],
    every: Annotated[int, typer.Option(min=1, help="Seconds between two samples.")] = 3_600,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds for one answer.")] = 60,
    json: Json = False,
) -> None:
    """Every market of a deployment as it was, every so many seconds: an exact tape."""
    from agent.cli.fetch import fetch_chain as start_fetch
    from agent.cli.fetch import seconds_of
    from agent.fetch.chain import Span

    span = Span(seconds_of("--start", start), seconds_of("--end", end), every)
    start_fetch(out, deployment, span, url=endpoint, timeout_seconds=timeout, as_json=json)


@fetch_app.command("exchange")
def fetch_exchange(
    name: Annotated[str, typer.Argument(help="The exchange's id in ccxt, such as kraken.")],
    symbol: Annotated[str, typer.Argument(help="As ccxt writes it: BTC/USDT, or BTC/USDT:USDT for a perpetual.")],
    out: Annotated[Path, typer.Option(help="The folder that the pages and the CSV file go to.")],
    start: Annotated[str, typer.Option(help="The first time, UTC, as 2023-01-27 or 2023-01-27T08:00.")],
    end: Annotated[str, typer.Option(help="The time after the last one.")],
    candles: Annotated[str, typer.Option(help="How long a candle is; 1h, 1d.")] = "1h",
    funding: Annotated[bool, typer.Option("--funding", help="Funding rates instead of candles.")] = False,
    base: Annotated[str, typer.Option(help="Another address of the same API, such as a mirror's.", show_default=False)] = "",
    timeout: Annotated[int, typer.Option(min=1, help="Seconds for one answer.")] = 30,
    json: Json = False,
) -> None:
    """Candles or funding rates of an exchange, through ccxt."""
    from agent.cli.fetch import fetch_candles, fetch_funding, seconds_of
    from agent.fetch.exchange import History, Window

    window = Window(seconds_of("--start", start), seconds_of("--end", end))
    history = History(name, timeout_seconds=timeout, base=base)
    if funding:
        fetch_funding(out, history, symbol, window, as_json=json)
    else:
        fetch_candles(out, history, symbol, candles, window, as_json=json)


@data_app.command("list")
def data_list(
    folder: Annotated[Path, typer.Argument(help="Where the tapes are.")] = Path("runs/tapes"), json: Json = False
) -> None:
    """The tapes there are, and the formats that can become one."""
    from agent.cli.data import show

    show(folder, as_json=json)


@data_app.command("check")
def data_check(
    source: Annotated[Path, typer.Argument(help="A folder in a known format, or a saved tape.")],
    against: Annotated[Optional[Path], typer.Option(help="A second source of the same markets, to compare.")] = None,  # noqa: UP045
    form: Annotated[str, typer.Option("--as", help="The format, where a folder looks like several.", show_default=False)] = "",
    json: Json = False,
) -> None:
    """Gaps, repeats, spikes, slips of unit, frozen stretches, indices that go back: where, how many, and what is done."""
    from agent.cli.data import check

    check(source, against, form, as_json=json)


@data_app.command("import")
def data_import(
    folder: Annotated[Path, typer.Argument(help="A folder in a known format.")],
    form: Annotated[str, typer.Option("--as", help="The format, where a folder looks like several.", show_default=False)] = "",
    asset: Annotated[str, typer.Option(help="An asset of the folder; symbol@chain away from Ethereum.", show_default=False)] = "",
    start: Annotated[str, typer.Option(help="First day, UTC, as 2023-01-27.", show_default=False)] = "",
    end: Annotated[str, typer.Option(help="The day after the last one, UTC.", show_default=False)] = "",
    gas: Annotated[Optional[Path], typer.Option(help="A folder of daily gas (and ether) prices.")] = None,  # noqa: UP045
    out: Annotated[Optional[Path], typer.Option(help="Where the tape goes; else runs/tapes/NAME.", show_default=False)] = None,  # noqa: UP045
    json: Json = False,
) -> None:
    """One asset of a folder as a tape, with what was wrong in it."""
    from agent.cli.data import Asked, run_import

    run_import(Asked(folder=folder, form=form, asset=asset, start=start, end=end, gas=gas, out=out), as_json=json)


@data_app.command("record")
def data_record(
    store: Annotated[Path, typer.Argument(help="What a run remembers: paper.sqlite or live.sqlite in its folder.")],
    out: Annotated[Path, typer.Option(help="The folder that the tape goes to.")],
    config: Config = CONFIG,
    deployment: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="The deployment file of that run; without it the one that the settings name."),
    ] = None,
    start: Annotated[str, typer.Option(help="The first time, UTC, as 2023-01-27 or 2023-01-27T08:00.")] = "1970-01-02",
    end: Annotated[str, typer.Option(help="The time after the last one.")] = "9999-01-01",
    json: Json = False,
) -> None:
    """What a live or paper run saw, as a tape of exact states."""
    from agent.cli.fetch import seconds_of
    from agent.cli.record import Span, record
    from agent.settings import load_deployment, load_settings
    from wallets.deployments import read_deployment

    span = Span(seconds_of("--start", start), seconds_of("--end", end))
    found = read_deployment(deployment) if deployment else load_deployment(load_settings(config, {}))
    record(store, out, found, span, as_json=json)
