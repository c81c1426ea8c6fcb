"""What a result is held against: idle, hold one market, equal weight. Refuses to choose: none looks at how high a rate is, and
none moves again but for a market that was not there before."""

from dataclasses import dataclass

import numpy as np

from strategies.assess import DUST_BPS, held_raw, value_raw
from strategies.domain import Amount, Asset, Keep, Leg, Market, Position, Supply, Target
from strategies.errors import ProtocolError
from strategies.lending_rotation import split_equally
from strategies.protocols.registry import adapter_of
from strategies.tape import Observation
from strategies.units import BPS, WAD


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
    """Equal parts of every market of the asset that has said a rate since the last look. A newcomer that takes a deposit joins,
    and all are split equally again, as far as they can pay; nobody is ever left. What anybody may have put into a market in our
    name does not make it one of ours."""

    asset: Asset
    cadence_seconds: int

    def target(self, seen: Observation) -> Target | Keep:
        said = np.any(~np.isnan(seen.supply_aprs(self.cadence_seconds)), axis=0)
        ours = [market for market in seen.deployment.markets if market.asset == self.asset]
        whole_raw = held_raw(seen, self.asset)
        held = [market for market in ours if _is_held(seen, seen.portfolio.position(market), whole_raw)]
        new = [market for market in ours if market not in held and said[seen.market_index(market)]]
        part = Amount(self.asset, whole_raw // max(1, len(held) + len(new)))
        joining = [market for market in new if _takes(seen, market, part)]
        if not joining:
            return Keep("every market that can be entered is held" if held else "no market that says a rate can be entered yet")
        split = tuple([market for market in ours if market in held or market in joining])
        return split_equally(self.asset, split, "hold every market alike")


def _is_held(seen: Observation, claim: Position, whole_raw: int) -> bool:
    """Whether a claim is more than dust; one that cannot be read may be."""
    return bool(claim.shares_raw) and (seen.state(claim.market) is None or value_raw(seen, claim) * BPS > whole_raw * DUST_BPS)


def _takes(seen: Observation, market: Market, part: Amount) -> bool:
    """Whether a deposit of this size would not revert now: a market that is closed keeps nobody from the others."""
    state = seen.state(market)
    if state is None:
        return False
    try:
        adapter_of(market).apply(state, seen.portfolio.position(market), Supply(market, part))
    except ProtocolError:
        return False
    return True
