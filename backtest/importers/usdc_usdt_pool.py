"""The state of one Uniswap V3 pool of two dollars once an hour, from Parquet: price from the tick, liquidity in range. Refuses
the price of an hour without liquidity, at which nothing could be traded.

Price of token0 in token1 = 1.0001^tick times 10^(decimals0 - decimals1) (Uniswap V3 white paper, section 6.1). It is relative: it
cannot tell which of the two dollars moved."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from backtest.checking.marks import Mark
from backtest.importers.series import Raw, Series, found, series_of
from backtest.importers.source_tables import floats, parquet_columns, parquet_names, wholes
from strategies.errors import BadTape

COLUMNS: Final = ("timestamp", "poolTick", "poolLiquidity", "token0", "token1", "dec0", "dec1")
HOUR: Final = 3_600
TICK: Final = 1.0001
MOST_LIQUIDITY: Final = 2.0**128
NOTE: Final = "A relative price: it cannot tell which of the two coins moved; compare it with prices in dollars."


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """One pool as it became known."""

    price: Series  # of token0, in token1
    liquidity: Series  # in range, raw; 0 is a fact here


def recognises(folder: Path) -> bool:
    """Whether a folder holds such a file."""
    return bool(_files(folder))


def read(folder: Path) -> Pool:
    """The one pool of a folder. Raises BadTape."""
    files = _files(folder)
    if len(files) != 1:
        raise BadTape(f"{folder.name} holds {len(files)} pools with the columns {', '.join(COLUMNS)}: expected one")
    path = files[0]
    columns = parquet_columns(path, COLUMNS)
    tokens = [_one(path, name, columns[name]) for name in ("token0", "token1", "dec0", "dec1")]
    token0, token1, scale = str(tokens[0]), str(tokens[1]), 10.0 ** (int(tokens[2]) - int(tokens[3]))
    timestamp = wholes(path, "timestamp", columns["timestamp"])
    liquidity = floats(path, "poolLiquidity", columns["poolLiquidity"])
    tick = floats(path, "poolTick", columns["poolTick"])
    dry = liquidity == 0
    says = ("refused", "no liquidity is in range: the tick is where the price fell to, not a price one could have")
    price = Raw(
        name=f"{token0}/{token1}",
        unit=token1,
        timestamp=timestamp,
        value=TICK**tick * scale,
        refused=dry,
        least=1e-6,
        most=1e6,
        step_seconds=HOUR,
    )
    depth = Raw(
        name=f"{token0}/{token1} liquidity",
        unit="raw liquidity",
        timestamp=timestamp,
        value=liquidity,
        least=0.0,
        most=MOST_LIQUIDITY,
        step_seconds=HOUR,
    )
    findings = found(Mark.DRAINED, price.name, dry, timestamp, says)
    return Pool(series_of(price, findings=findings, notes=(NOTE,)), series_of(depth))


def read_all(folder: Path) -> tuple[Series, ...]:
    """Price and liquidity. Raises BadTape."""
    pool = read(folder)
    return pool.price, pool.liquidity


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.parquet")) if set(COLUMNS) <= set(parquet_names(path))]


def _one(path: Path, name: str, values: list[Any]) -> Any:
    """What a column says at every row."""
    if len(set(values)) != 1:
        raise BadTape(f"{path.name}: column {name} says several things ({len(set(values))}); one pool has one")
    return values[0]
