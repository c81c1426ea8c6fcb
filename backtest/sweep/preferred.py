"""What many lending rotations prefer at each decision row, worked out once for all that look and count alike. Refuses to compare
a held market that cannot be ranked: then no gain is seen, as in `LendingRotation.choose`."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from backtest.prepared import Prepared
from backtest.sweep.board import padded
from strategies.domain import Asset
from strategies.lending_rotation import LendingRotation
from strategies.tape import Bools, Floats, Ints
from strategies.units import BPS


class Preferred:
    """The rules of the sets of one cadence, as columns. Claims stand in the tape's order, [claim, set]; the number of markets is
    the place of a claim that is not there."""

    def __init__(self, prepared: Prepared, cadence_seconds: int, rules: Sequence[LendingRotation]) -> None:
        tape, rows = prepared.tape, prepared.rows(cadence_seconds)
        self._markets: Final = len(tape.deployment.markets)
        self._threshold: Final = np.array([rule.threshold_bps for rule in rules])
        lookbacks = sorted({rule.lookback_seconds for rule in rules})
        self._look: Final = np.searchsorted(lookbacks, [rule.lookback_seconds for rule in rules])
        asset = rules[0].asset
        means = [_ranked(prepared, rows, asset, prepared.forecast(cadence_seconds, seconds)) for seconds in lookbacks]
        self._mean: Final = np.stack(means)  # [look-back, row, column]
        alike = {pair: at for at, pair in enumerate(sorted({(rule.lookback_seconds, rule.count) for rule in rules}))}
        self._alike: Final = np.array([alike[rule.lookback_seconds, rule.count] for rule in rules])
        self.claims: Final = min(max(rule.count for rule in rules), self._markets)
        best, hoped = zip(*(self._best(means[lookbacks.index(seconds)], count) for seconds, count in alike), strict=True)
        self._wanted: Final[Ints] = np.stack(best, axis=2)  # [row, claim, alike]
        self._hoped: Final[Floats] = np.stack(hoped, axis=1)  # [row, alike]

    def choose(self, at: int, columns: Ints) -> tuple[Ints, Bools]:
        """The best columns of each set, and whether it moves to them from those it holds."""
        best = self._wanted[at].take(self._alike, axis=1)
        held = self._mean[self._look, at, columns]
        holds = (columns < self._markets).sum(axis=0)
        gain = self._hoped[at].take(self._alike) - in_order(held) / np.maximum(holds, 1)
        better = (best != columns).any(axis=0) & (gain * BPS > self._threshold)
        return best, (best[0] < self._markets) & ((holds == 0) | better)

    def _best(self, mean: Floats, count: int) -> tuple[Ints, Floats]:
        """At each row the best columns, [row, claim] in the tape's order, and their mean rate."""
        order = np.argsort(-mean[:, :-1], axis=1, kind="stable")[:, : self.claims]  # NaN comes last; ties to the earlier column
        known = np.minimum(count, (~np.isnan(mean[:, :-1])).sum(axis=1))
        ranked = np.where(np.arange(self.claims) < known[:, None], order, self._markets)
        hoped = in_order(np.take_along_axis(mean, ranked, axis=1).T) / np.maximum(known, 1)
        return np.sort(ranked, axis=1), hoped


def in_order(parts: Floats) -> Floats:
    """Sums over the first axis from first to last, as Python sums a list: another order would move a threshold by a bit."""
    total: Floats = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def _ranked(prepared: Prepared, rows: Ints, asset: Asset, means: Floats) -> Floats:
    """The scores of `LendingRotation.signals`: NaN for what cannot be ranked, and 0.0 in one more column."""
    tape = prepared.tape
    ours = np.array([market.asset == asset for market in tape.deployment.markets])
    return padded(np.where(tape.fresh[rows] & ours, means, np.nan), 0.0)
