"""One vault out of a table of share prices: which of its rows can be read at all, and the vault made of those. Refuses prices of
nothing, rows that go back and rows that contradict each other; whether a readable price can be believed is asked later."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.importers.series import found, gaps, in_seconds, kept
from backtest.importers.share_prices import Vault
from backtest.importers.source_tables import ray_of
from backtest.terms import Terms
from strategies.domain import Address, Asset
from strategies.tape import Bools, Floats, Ints

AT_ONCE: Final = Terms(0, ())


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rows:
    """A vault's rows as its file has them; empty text is a price not said."""

    id: str
    address: Address
    asset: Asset
    file: str
    timestamp: Ints
    price: tuple[str, ...]
    step_seconds: int
    terms: Terms
    block: Ints | None = None  # None: not recorded, as in the next four
    assets: Floats | None = None
    supply: Floats | None = None
    liquidity: Floats | None = None
    asset_usd: Floats | None = None


def vault_of(rows: Rows) -> Vault:
    """The rows that can be read, as a vault, with what was wrong with the others. Raises BadTape."""
    in_seconds(f"{rows.file}, {rows.id}", rows.timestamp)
    price_ray = [ray_of(text) if text else 0 for text in rows.price]
    keep, findings = _readable(rows, np.array([bool(text) for text in rows.price], dtype=np.bool_), price_ray)
    timestamp = rows.timestamp[keep]
    unrecorded = np.full(len(timestamp), np.nan)
    return Vault(
        id=rows.id,
        address=rows.address,
        asset=rows.asset,
        file=rows.file,
        timestamp=timestamp,
        block=np.zeros(len(timestamp), dtype=np.int64) if rows.block is None else rows.block[keep],
        price_ray=tuple(price_ray[row] for row in np.flatnonzero(keep).tolist()),
        assets=unrecorded if rows.assets is None else rows.assets[keep],
        supply=unrecorded if rows.supply is None else rows.supply[keep],
        liquidity=unrecorded if rows.liquidity is None else rows.liquidity[keep],
        asset_usd=unrecorded if rows.asset_usd is None else rows.asset_usd[keep],
        terms=rows.terms,
        findings=(*findings, *gaps(rows.id, timestamp, rows.step_seconds)),
    )


def _readable(rows: Rows, said: Bools, price_ray: list[int]) -> tuple[Bools, tuple[Finding, ...]]:
    # floats only ask whether two rows of one time agree
    price = np.array([float(text) if text else np.nan for text in rows.price], dtype=np.float64)
    nothing = said & np.array([value == 0 for value in price_ray], dtype=np.bool_)
    findings = (
        *found(
            Mark.NOT_A_NUMBER, rows.id, ~said, rows.timestamp, ("left out", "no price, or a row its collector calls an error")
        ),
        *found(Mark.ZERO_FOR_MISSING, rows.id, nothing, rows.timestamp, ("refused", "no share of a vault is worth nothing")),
    )
    keep, disordered = kept(rows.id, rows.timestamp, np.where(nothing, np.nan, price), said=said & ~nothing)
    return keep, (*findings, *disordered)
