"""Daily lending rates of 2019 and 2020 as JSON: `{"supply": {"<milliseconds>": rate}, "borrow": {...}}`, fractions a year, a file
a market named protocol_asset. Refuses a file of another shape, and stamps that are no milliseconds."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from backtest.checking.record import Record, unsaid
from backtest.importers.lending import Found
from backtest.importers.source_tables import text_of
from strategies.domain import Asset
from strategies.errors import BadTape
from strategies.units import SECONDS_PER_DAY

MILLISECONDS: Final = 1_000
ASSETS: Final = {
    "dai": Asset(1, "0x6b175474e89094c44da98b954eedeac495271d0f", "DAI", 18),
    "usdc": Asset(1, "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "USDC", 6),
    "usdt": Asset(1, "0xdac17f958d2ee523a2206206994597c13d831ec7", "USDT", 6),
    "eth": Asset(1, "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "WETH", 18),
}
NOTES: Final = (
    "Stamps of different files fall on different hours of the day: a market speaks once a day, at its own hour.",
    "The source says no utilisation and no amounts; the share of the two rates stands for utilisation when a jump is judged.",
)


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return bool(_files(folder))


def read(folder: Path) -> tuple[Found, ...]:
    """Every market. Raises BadTape."""
    return tuple(_market(path) for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    named = [path for path in sorted(folder.glob("*_*.json*")) if path.name.split(".")[0].split("_")[-1] in ASSETS]
    return [path for path in named if text_of(path).lstrip().startswith('{"supply"')]


def _market(path: Path) -> Found:
    supply, borrow = _sides(path)
    stamps = list(supply)
    timestamp = np.array([stamp // MILLISECONDS for stamp in stamps], dtype=np.int64)
    protocol, _, symbol = path.name.split(".")[0].rpartition("_")
    asset = ASSETS[symbol]
    record = Record(
        market=f"{protocol}:{asset.symbol}",
        source=path.name,
        step_seconds=SECONDS_PER_DAY,
        timestamp=timestamp,
        supply_apr=np.array([supply[stamp] for stamp in stamps], dtype=np.float64),
        borrow_apr=np.array([borrow.get(stamp, np.nan) for stamp in stamps], dtype=np.float64),
        utilisation=unsaid(len(stamps)),
        available=unsaid(len(stamps)),
    )
    return Found(asset.symbol, asset, record, (path,))


def _sides(path: Path) -> tuple[dict[int, float], dict[int, float]]:
    try:
        content: Any = json.loads(text_of(path))
        supply, borrow = (
            {int(stamp): np.nan if rate is None else float(rate) for stamp, rate in content[side].items()}
            for side in ("supply", "borrow")
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadTape(f"{path.name} is not of the shape {{supply: {{stamp: rate}}, borrow: ...}}: {error!r}") from error
    if not supply:
        raise BadTape(f"{path.name} holds no rate")
    if min(supply) < 10**11:
        raise BadTape(f"{path.name}: its stamps begin at {min(supply)}, which are no milliseconds")
    return supply, borrow
