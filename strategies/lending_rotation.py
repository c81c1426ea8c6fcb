"""Lending rotation: hold the markets with the best trailing mean rate, and change only for a clear improvement.

Refuses to compare what it has not seen: a held market without a fresh rate is kept, an unseen one is not entered."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from strategies.assess import DUST_BPS, History, held_raw, trailing_mean_apr, value_raw
from strategies.domain import Asset, Deployment, Keep, Leg, Market, Position, Target
from strategies.tape import Bools, Floats, Ints, Observation
from strategies.units import BPS, WAD

_HELD: Final = Keep("the best markets are held")


class Signal(NamedTuple):
    """What the tape alone says at a row."""

    scores: list[float]  # by column; NaN for other assets, for what was never said, and for what was not said just now
    best: tuple[int, ...]  # columns with a score, best first, at most `count`; ties go to the earlier column


class Signals(Sequence[Signal]):
    """What the tape says at many rows, as arrays; one row of it is a signal."""

    def __init__(self, scores: Floats, count: int) -> None:
        self.scores: Final = scores  # [row, market]
        self.ranked: Final = np.argsort(-scores, axis=1, kind="stable")[:, :count]  # NaN comes last
        self.count: Final = self.ranked.shape[1]
        self.known: Final = np.minimum((~np.isnan(scores)).sum(axis=1), count)  # of the ranked, how many have a score
        self.is_full: Final = bool((self.known == self.count).all())
        self.ordered: Final = np.sort(self.ranked, axis=1)
        self.best_mean: Final = mean_of(scores, self.ranked)  # where all of them are known

    def are_best(self, held: tuple[int, ...], first: int) -> Bools:
        """From a place on, where these columns are the ranked ones."""
        if len(held) != self.count:
            return np.zeros(len(self) - first, dtype=np.bool_)
        order = sorted(held)
        same: Bools = self.ordered[first:, 0] == order[0]
        for place in range(1, self.count):
            same &= self.ordered[first:, place] == order[place]
        return same

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, at: Any) -> Any:
        """One row's; a slice of them is not wanted by anybody."""
        return Signal(self.scores[at].tolist(), tuple(self.ranked[at, : self.known[at]].tolist()))


@dataclass(frozen=True, slots=True)
class LendingRotation:
    """The best `count` markets by mean supply APR over the lookback; hysteresis in basis points of rate."""

    asset: Asset
    cadence_seconds: int
    lookback_seconds: int
    threshold_bps: int  # the best must beat what is held by more than this
    count: int  # markets held, in equal parts
    max_idle_bps: int  # more idle than this is put to work where we are

    @property
    def signal_terms(self) -> tuple[Asset, int, int]:
        return self.asset, self.lookback_seconds, self.count

    def signal(self, seen: Observation) -> Signal:
        """Each market's trailing mean rate, and the best of them."""
        mean = trailing_mean_apr(seen, self.lookback_seconds)
        signal: Signal = self._signals(seen.deployment, seen.fresh_now()[None], mean[None])[0]
        return signal

    def signals(self, history: History, rows: Ints) -> Signals:
        """`signal` at many rows at once."""
        means = history.trailing_means_apr(rows, self.lookback_seconds)
        return self._signals(history.tape.deployment, history.tape.fresh[rows], means)

    def _signals(self, deployment: Deployment, fresh: Bools, means: Floats) -> Signals:
        ours = np.array([market.asset == self.asset for market in deployment.markets])
        return Signals(np.where(fresh & ours, means, np.nan), self.count)

    def keeps(self, signals: Signals, held: tuple[int, ...], first: int) -> Bools:
        """From a place in the signals on, where `choose` says to keep: the same sums in the same order."""
        if not held:
            nothing: Bools = signals.known[first:] == 0
            return nothing
        total = signals.scores[first:, held[0]]
        for at in held[1:]:
            total = total + signals.scores[first:, at]
        gain = signals.best_mean[first:] - total / len(held)
        kept: Bools = ~(gain * BPS > self.threshold_bps) | signals.are_best(held, first)
        if not signals.is_full:
            known = signals.known[first:]
            kept[(known < signals.count) & (known > 0)] = False  # fewer are known than wanted: `choose` looks closely
        return kept

    def choose(self, signal: Signal, held: tuple[int, ...]) -> tuple[int, ...] | Keep:
        """The columns to hold."""
        scores, best = signal
        if not best:
            return Keep("no market of the asset has a fresh rate")
        if not held:
            return best
        if best == held or set(best) == set(held):
            return _HELD
        if any(math.isnan(scores[at]) for at in held):
            return Keep("a held market has no fresh rate to compare with")
        gain = sum([scores[at] for at in best]) / len(best) - sum([scores[at] for at in held]) / len(held)
        if gain * BPS <= self.threshold_bps:
            return Keep(f"better by {gain * BPS:.1f} bps: more than {self.threshold_bps} bps needed")
        return best

    def target(self, seen: Observation) -> Target | Keep:
        return self.target_given(seen, self.signal(seen))

    def target_given(self, seen: Observation, signal: Signal) -> Target | Keep:
        """The target at a row whose signal is known already."""
        held = tuple(
            [
                seen.market_index(position.market)
                for position in seen.portfolio.positions
                if position.market.asset == self.asset and self._matters(seen, position)
            ]
        )
        chosen = self.choose(signal, held)
        markets = seen.deployment.markets
        if not isinstance(chosen, Keep):
            names = ", ".join([f"{markets[at].id} {signal.scores[at]:.2%}" for at in chosen])
            was = ", ".join([f"{markets[at].id} {signal.scores[at]:.2%}" for at in held]) or "idle"
            hours = self.lookback_seconds / 3_600
            reason = f"hold {names} (mean of {hours:g} h); now in {was}"
            return split_equally(self.asset, tuple([markets[at] for at in chosen]), reason)
        idle_raw = seen.portfolio.idle_raw(self.asset)
        if held and idle_raw and idle_raw * BPS > held_raw(seen, self.asset) * self.max_idle_bps:
            return split_equally(self.asset, tuple([markets[at] for at in held]), "put idle funds to work where we are")
        return chosen

    def _matters(self, seen: Observation, held: Position) -> bool:
        """Whether a claim is more than dust, which anybody may put into any market in our name; one that is unread may be."""
        if seen.state(held.market) is None:
            return held.shares_raw != 0
        return value_raw(seen, held) * BPS > held_raw(seen, self.asset) * DUST_BPS


def split_equally(asset: Asset, markets: tuple[Market, ...], reason: str) -> Target:
    """Equal parts of the whole."""
    parts_wad = equal_parts_wad(len(markets))
    return Target(asset, tuple([Leg(market, part) for market, part in zip(markets, parts_wad, strict=True)]), reason)


def equal_parts_wad(count: int) -> tuple[int, ...]:
    """1e18 in equal parts; the indivisible rest goes to the first."""
    part, rest = divmod(WAD, count)
    return (part + rest, *(part,) * (count - 1))


def mean_of(scores: Floats, columns: Ints) -> Floats:
    """The mean of each row's chosen columns, added one after the other; NaN where one is."""
    rows, total = np.arange(len(scores)), np.zeros(len(scores))
    for at in range(columns.shape[1]):
        total += scores[rows, columns[:, at]]
    mean: Floats = total / columns.shape[1]
    return mean
