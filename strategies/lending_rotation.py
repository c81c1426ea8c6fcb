"""Lending rotation: hold the markets with the best trailing mean rate, and change only for a clear improvement.

Refuses to compare what it has not seen: a held market without a fresh rate is kept, an unseen one is not entered."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from strategies.assess import held_raw, trailing_mean_apr, value_raw
from strategies.domain import Asset, Keep, Leg, Market, Position, Target
from strategies.tape import Floats, Observation
from strategies.units import BPS, WAD

DUST_BPS: Final = 10  # a claim below this share of the whole does not decide what is compared with what


@dataclass(frozen=True, slots=True)
class LendingRotation:
    """The best `count` markets by mean supply APR over the lookback; hysteresis in basis points of rate."""

    asset: Asset
    cadence_seconds: int
    lookback_seconds: int
    threshold_bps: int  # the best must beat what is held by more than this
    count: int  # markets held, in equal parts
    max_idle_bps: int  # more idle than this is put to work where we are

    def signal(self, seen: Observation) -> Floats:
        """Each market's trailing mean rate; NaN for other assets, for what was never said, and for what was not said just now."""
        mean = trailing_mean_apr(seen, self.lookback_seconds)
        ours = np.array([market.asset == self.asset for market in seen.deployment.markets])
        return np.where(ours & seen.fresh_now(), mean, np.nan)

    def choose(self, signal: Floats, held: tuple[int, ...]) -> tuple[int, ...] | Keep:
        """The columns to hold. Ties go to the earlier column."""
        scores = signal.tolist()
        ranked = sorted((at for at, score in enumerate(scores) if not math.isnan(score)), key=lambda at: -scores[at])
        best = tuple(ranked[: self.count])
        if not best:
            return Keep("no market of the asset has a fresh rate")
        if not held:
            return best
        if set(best) == set(held):
            return Keep("the best markets are held")
        if any(math.isnan(scores[at]) for at in held):
            return Keep("a held market has no fresh rate to compare with")
        gain = sum(scores[at] for at in best) / len(best) - sum(scores[at] for at in held) / len(held)
        if gain * BPS <= self.threshold_bps:
            return Keep(f"better by {gain * BPS:.1f} bps: more than {self.threshold_bps} bps needed")
        return best

    def target(self, seen: Observation) -> Target | Keep:
        held = tuple(
            seen.market_index(position.market)
            for position in seen.portfolio.positions
            if position.market.asset == self.asset and self._matters(seen, position)
        )
        mean = self.signal(seen)
        chosen = self.choose(mean, held)
        markets = seen.deployment.markets
        if not isinstance(chosen, Keep):
            names = ", ".join(f"{markets[at].id} {mean[at]:.2%}" for at in chosen)
            was = ", ".join(f"{markets[at].id} {mean[at]:.2%}" for at in held) or "idle"
            hours = self.lookback_seconds / 3_600
            reason = f"hold {names} (mean of {hours:g} h); now in {was}"
            return split_equally(self.asset, tuple(markets[at] for at in chosen), reason)
        idle_raw = seen.portfolio.idle_raw(self.asset)
        if held and idle_raw and idle_raw * BPS > held_raw(seen, self.asset) * self.max_idle_bps:
            return split_equally(self.asset, tuple(markets[at] for at in held), "put idle funds to work where we are")
        return chosen

    def _matters(self, seen: Observation, held: Position) -> bool:
        """Whether a claim is more than dust, which anybody may put into any market in our name; one that is unread may be."""
        if seen.state(held.market) is None:
            return held.shares_raw != 0
        return value_raw(seen, held) * BPS > held_raw(seen, self.asset) * DUST_BPS


def split_equally(asset: Asset, markets: tuple[Market, ...], reason: str) -> Target:
    """Equal parts; the indivisible rest of 1e18 goes to the first."""
    part, rest = divmod(WAD, len(markets))
    return Target(asset, tuple(Leg(market, part + (rest if at == 0 else 0)) for at, market in enumerate(markets)), reason)
