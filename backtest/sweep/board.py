"""A tape at its decision rows, as arrays that many sets look at together: indices, what can be paid, what a stance leaves
alone, and prices. Refuses tapes without recorded indices, and overlays whose limits it does not know.

Every array by market has one column more than there are markets: the place of a claim that a set does not hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from backtest.index_columns import IndexColumns, index_columns
from backtest.runs import RunSettings
from backtest.world import due_row
from strategies.domain import Asset
from strategies.errors import BadTape
from strategies.risk import ROUNDING, CapMarket, ExitCover, Overlay, UtilisationCeiling, watch
from strategies.tape import Bools, Floats, Ints, Tape
from strategies.units import BPS, USD_E8, WAD

NOBODY_KNOWS: Final = np.nan


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """The tape for one asset. Amounts are floats in base units; a market that cannot be read has the index 0."""

    rows: Ints
    due: Ints  # the row at which a plan of this row executes; the tape's length where it ends before
    timestamp: Ints  # of the tape, every row
    index: Floats  # [row, column]
    index_due: Floats
    payable_raw: Floats
    payable_due_raw: Floats
    stay_raw: Floats  # a claim up to this is left alone by the stance
    stay_bps: int  # and up to this share of everything
    is_free: bool  # the stance never says anything
    shut: Bools  # [row, column]: the stance lets nothing in
    cover_bps: int  # what enters must fit so many times into what is left for others; 0 is no such rule
    enter_bps: int  # no entry above this share of everything
    base_fee_wei: Ints  # [row]
    base_fee_due_wei: Ints
    usd: Floats  # [row], of a base unit; NaN while unpriced
    ether_usd: Floats  # [row], of a wei

    @property
    def markets(self) -> int:
        """How many markets there are; also the place of a claim that is not held."""
        return int(self.index.shape[1]) - 1


def board_of(tape: Tape, rows: Ints, settings: RunSettings) -> Board:
    """The board of one asset's decision rows. Raises BadTape."""
    states, asset = index_columns(tape), settings.decide.asset
    late, seconds = settings.latency_rows, settings.latency_seconds
    found = [due_row(tape, row, latency_rows=late, latency_seconds=seconds) for row in rows.tolist()]
    due = np.minimum(np.array(found, dtype=np.int64), len(tape))
    then = np.minimum(due, len(tape) - 1)
    overlays = settings.decide.menu.overlays(settings.decide.menu.stances[0])
    quiet = watch(overlays, tape, rows)
    payable = _payable_raw(tape, states, rows, asset)
    shut, cover_bps, enter_bps = _entry(overlays, tape, rows)
    ether = tape.deployment.native
    return Board(
        rows=rows,
        due=due,
        timestamp=tape.timestamp,
        index=padded(_index(tape, states, rows), 0.0),
        index_due=padded(_index(tape, states, then), 0.0),
        payable_raw=padded(payable, np.inf),
        payable_due_raw=padded(_payable_raw(tape, states, then, asset), np.inf),
        stay_raw=padded(quiet.most_raw * ROUNDING, np.inf),
        stay_bps=quiet.most_bps,
        is_free=not overlays,
        shut=np.concatenate([shut, np.zeros((len(rows), 1), dtype=np.bool_)], axis=1),
        cover_bps=cover_bps,
        enter_bps=enter_bps,
        base_fee_wei=tape.base_fee_wei[rows],
        base_fee_due_wei=tape.base_fee_wei[then],
        usd=_usd(tape, rows, asset, 10**asset.decimals),
        ether_usd=np.full(len(rows), NOBODY_KNOWS) if ether is None else _usd(tape, rows, ether, WAD),
    )


def knows(overlays: Sequence[Overlay]) -> bool:
    """Whether the limits of every overlay are known here."""
    return all(isinstance(overlay, CapMarket | ExitCover | UtilisationCeiling) for overlay in overlays)


def padded(columns: Floats, last: float) -> Floats:
    """One column more, for the place of a claim that is not held."""
    return np.concatenate([columns, np.full((len(columns), 1), last)], axis=1)


def _index(tape: Tape, states: IndexColumns, rows: Ints) -> Floats:
    return np.stack([states.index_floats(at, rows) for at in range(len(tape.deployment.markets))], axis=1)


def _payable_raw(tape: Tape, states: IndexColumns, rows: Ints, asset: Asset) -> Floats:
    """What each market could pay out as last said; without a record all of it."""
    said: Ints = np.maximum(states.exact()["said_row"][:, rows].T, 0)
    available = np.take_along_axis(tape.available, said.astype(np.int64), axis=0)
    return np.where(np.isnan(available), np.inf, available * 10.0**asset.decimals)


def _entry(overlays: Sequence[Overlay], tape: Tape, rows: Ints) -> tuple[Bools, int, int]:
    """What the stance lets in: the markets that are shut, the cover, the cap. Raises BadTape for an overlay of another kind."""
    shut, cover_bps, most_bps = np.zeros((len(rows), len(tape.deployment.markets)), dtype=np.bool_), 0, BPS
    for overlay in overlays:
        match overlay:
            case CapMarket(cap_bps=cap_bps):
                most_bps = min(most_bps, cap_bps)
            case ExitCover(enter_bps=enter_bps):
                cover_bps = max(cover_bps, enter_bps)
            case UtilisationCeiling(ceiling_bps=ceiling_bps):
                shut |= ~(tape.utilisation[rows] <= ceiling_bps / BPS)
            case _:
                raise BadTape(f"sets are not evaluated together under {type(overlay).__name__}")
    return shut, cover_bps, most_bps


def _usd(tape: Tape, rows: Ints, asset: Asset, one: int) -> Floats:
    said = tape.price_usd_e8[rows, tape.asset_rows[asset]]
    return np.where(said > 0, said / USD_E8 / one, NOBODY_KNOWS)
