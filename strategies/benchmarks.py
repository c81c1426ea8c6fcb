"""What a result is held against: idle, hold one market, equal weight. Refuses to rebalance: each moves once and then keeps."""

from dataclasses import dataclass

from strategies.domain import Asset, Keep, Leg, Target
from strategies.lending_rotation import split_equally
from strategies.tape import Observation
from strategies.units import WAD


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing earns, nothing is risked."""

    asset: Asset
    cadence_seconds: int

    def target(self, seen: Observation) -> Target | Keep:
        return Target(self.asset, (Leg(None, WAD),), "stay idle")


@dataclass(frozen=True, slots=True)
class Hold:
    """All in one market, from the first row at which it can be read."""

    asset: Asset
    cadence_seconds: int
    market_id: str

    def target(self, seen: Observation) -> Target | Keep:
        market = next(market for market in seen.deployment.markets if market.id == self.market_id)
        if seen.portfolio.positions:
            return Keep(f"{self.market_id} is held")
        if not seen.fresh_now()[seen.market_index(market)]:
            return Keep(f"{self.market_id} has no fresh rate yet")
        return split_equally(self.asset, (market,), f"hold {self.market_id}")


@dataclass(frozen=True, slots=True)
class EqualWeight:
    """Equal parts of every market of the asset, from the first row at which all can be read."""

    asset: Asset
    cadence_seconds: int

    def target(self, seen: Observation) -> Target | Keep:
        markets = tuple(market for market in seen.deployment.markets if market.asset == self.asset)
        if seen.portfolio.positions:
            return Keep("every market is held")
        fresh = seen.fresh_now()
        if not all(fresh[seen.market_index(market)] for market in markets):
            return Keep("not every market has a fresh rate yet")
        return split_equally(self.asset, markets, "hold every market alike")
