"""Rocket Pool's rETH rate, one line a report of its oracles, from JSON lines of hexadecimal wei. Refuses lines out of order and
reports of no supply; the rate is the protocol's, not what a market pays.

Rate = total ETH over rETH supply, rounded down, as RocketNetworkBalances holds them and RocketTokenRETH.getExchangeRate divides
them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from backtest.importers.share_prices import Vault
from backtest.importers.source_tables import text_of
from backtest.importers.vault_rows import Rows, vault_of
from backtest.importers.vault_tapes import Window, notional_asset, vault_id
from backtest.terms import Terms
from strategies.errors import BadTape
from strategies.units import RAY, SECONDS_PER_DAY, WAD

FIELDS: Final = 6  # block, slot time, total ETH, ETH staking, rETH supply, event time
RETH: Final = "0xae78736cd615f374d3085123a210448e74fc6393"
ASSET: Final = "WETH"  # the rate is ether per rETH; wrapped, so that it is a token
BURNABLE: Final = Terms(None, ())  # rETH burns for ETH while the deposit pool has some; nothing here says when
WINDOW: Final = Window(7 * SECONDS_PER_DAY, SECONDS_PER_DAY)


@dataclass(frozen=True, slots=True)
class Report:
    """One report of the oracles."""

    block: int
    total_wei: int
    supply_raw: int
    timestamp: int


def recognises(folder: Path) -> bool:
    """Whether a folder holds such a file."""
    return any(text_of(path)[:4].startswith('["0x') for path in _files(folder))


def read(folder: Path) -> tuple[Vault, ...]:
    """The rate as a vault. Raises BadTape."""
    files = _files(folder)
    if len(files) != 1:
        raise BadTape(f"{folder.name} holds {len(files)} files of JSON lines: expected one")
    made = reports(files[0])
    return (
        vault_of(
            Rows(
                id=vault_id("reth", RETH),
                address=RETH,
                asset=notional_asset(1, ASSET),
                file=files[0].name,
                timestamp=np.array([report.timestamp for report in made], dtype=np.int64),
                price=tuple(_rate_down(report) for report in made),
                step_seconds=SECONDS_PER_DAY,
                terms=BURNABLE,
                block=np.array([report.block for report in made], dtype=np.int64),
                assets=np.array([report.total_wei / WAD for report in made]),
                supply=np.array([report.supply_raw / WAD for report in made]),
            )
        ),
    )


def reports(path: Path) -> tuple[Report, ...]:
    """Every line, in the file's order. Raises BadTape."""
    made = []
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        try:
            fields = [int(text, 16) for text in json.loads(line)]
        except (TypeError, ValueError) as error:
            raise BadTape(f"{path.name} line {number} is no list of hexadecimal numbers: {error}") from error
        if len(fields) != FIELDS or min(fields) < 0:
            raise BadTape(f"{path.name} line {number} has {len(fields)} fields, not {FIELDS} numbers of zero or more")
        made.append(Report(fields[0], fields[2], fields[4], fields[5]))
    return tuple(made)


def _files(folder: Path) -> list[Path]:
    return sorted(path for pattern in ("*.jsonl", "*.jsonl.gz") for path in folder.glob(pattern))


def _rate_down(report: Report) -> str:
    """The rate as decimal text of 27 places; nothing before there is a supply."""
    if report.supply_raw == 0:
        return ""
    whole, rest = divmod(report.total_wei * RAY // report.supply_raw, RAY)
    return f"{whole}.{rest:027d}"
