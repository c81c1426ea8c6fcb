"""Overlays: each takes a target and may only move weight towards idle. Refuses to add weight anywhere.

A stance is a named tuple of them (see catalogue)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

import numpy as np

from strategies.assess import held_raw
from strategies.domain import Amount, Leg, Target
from strategies.protocols.registry import adapter_of
from strategies.tape import Floats, Ints, Observation, Tape
from strategies.units import BPS, WAD, mul_div_down

ROUNDING: Final = 1 - 2.0**-40  # far more than a few products of doubles lose


class Quiet(NamedTuple):
    """The claims about which an overlay has nothing to say. A float may only make it look too often, never too seldom."""

    most_raw: Floats  # [row, market], base units
    most_bps: int  # of everything held


class Overlay(Protocol):
    """Restrains a target: no leg grows but idle."""

    def restrain(self, seen: Observation, target: Target) -> Target: ...

    def quiet(self, tape: Tape, rows: Ints) -> Quiet:
        """Where at these rows `restrain` leaves what is held as it is, so that nobody needs to look."""


def watch(overlays: Sequence[Overlay], tape: Tape, rows: Ints) -> Quiet:
    """What all overlays together leave alone: rows at which a claim is larger need a look."""
    most_raw, most_bps = np.full((len(rows), len(tape.deployment.markets)), np.inf), BPS
    for overlay in overlays:
        quiet = overlay.quiet(tape, rows)
        most_raw, most_bps = np.minimum(most_raw, quiet.most_raw), min(most_bps, quiet.most_bps)
    return Quiet(most_raw, most_bps)


def with_rest_idle(target: Target, legs: Iterable[Leg], why: str) -> Target:
    """The legs that are in a market, and one idle leg with all the rest."""
    placed = tuple(leg for leg in legs if leg.market is not None and leg.weight_wad)
    idle_wad = WAD - sum(leg.weight_wad for leg in placed)
    rest = (Leg(None, idle_wad),) if idle_wad else ()
    return replace(target, legs=placed + rest, reason=f"{target.reason}; {why}")


@dataclass(frozen=True, slots=True)
class CapMarket:
    """No market above the cap; the excess goes idle, never to another market."""

    cap_bps: int

    def restrain(self, seen: Observation, target: Target) -> Target:
        cap_wad = mul_div_down(self.cap_bps, WAD, BPS)
        if all(leg.market is None or leg.weight_wad <= cap_wad for leg in target.legs):
            return target
        legs = (replace(leg, weight_wad=min(leg.weight_wad, cap_wad)) for leg in target.legs)
        return with_rest_idle(target, legs, f"no market above {self.cap_bps / 100:g} %")

    def quiet(self, tape: Tape, rows: Ints) -> Quiet:
        return Quiet(np.full((len(rows), len(tape.deployment.markets)), np.inf), self.cap_bps)


@dataclass(frozen=True, slots=True)
class ExitCover:
    """What we hold must fit several times into what the market could pay to others too; the rest goes idle. Entering asks for
    more cover than staying does, so that a market whose liquidity breathes is not left and entered again and again."""

    enter_bps: int
    leave_bps: int

    def restrain(self, seen: Observation, target: Target) -> Target:
        total = Amount(target.asset, held_raw(seen, target.asset))
        if not total.raw:
            return target
        legs = tuple(replace(leg, weight_wad=self._weight_wad(seen, leg, total)) for leg in target.legs)
        if legs == target.legs:
            return target
        return with_rest_idle(target, legs, f"the exit must be covered {self.enter_bps / BPS:g} times")

    def _weight_wad(self, seen: Observation, leg: Leg, total: Amount) -> int:
        if leg.market is None:
            return leg.weight_wad
        state = seen.state(leg.market)
        if state is None:
            return 0
        adapter = adapter_of(leg.market)
        own_raw = adapter.value_raw(state, seen.portfolio.position(leg.market))
        others_raw = max(0, adapter.withdrawable_raw(state) - own_raw)  # what we put in ourselves is no cover
        room_raw = mul_div_down(others_raw, BPS, self.enter_bps)
        staying_raw = min(own_raw, mul_div_down(others_raw, BPS, self.leave_bps))
        return min(leg.weight_wad, mul_div_down(max(room_raw, staying_raw), WAD, total.raw))

    def quiet(self, tape: Tape, rows: Ints) -> Quiet:
        """Others' liquidity covers a claim while claim × (1 + cover) is within all of it; what is not recorded is looked at."""
        units = np.array([10.0**market.asset.decimals for market in tape.deployment.markets])
        covered = tape.available[rows] * units * BPS / (BPS + self.leave_bps) * ROUNDING
        return Quiet(np.where(tape.fresh[rows], np.nan_to_num(covered, nan=0.0), 0.0), BPS)


@dataclass(frozen=True, slots=True)
class UtilisationCeiling:
    """A market lent out above the ceiling is left: its lenders queue for the exit. So is one that does not say how much of it is
    lent out, a vault for one: what is unknown is not under a ceiling. The reason tells the two apart."""

    ceiling_bps: int

    def restrain(self, seen: Observation, target: Target) -> Target:
        utilisation = seen.now("utilisation")
        used = {leg.market.id: float(utilisation[seen.market_index(leg.market)]) for leg in target.legs if leg.market is not None}
        left = {market_id for market_id, part in used.items() if not part <= self.ceiling_bps / BPS}
        legs = tuple(
            [leg if leg.market is None or leg.market.id not in left else replace(leg, weight_wad=0) for leg in target.legs]
        )
        if legs == target.legs:
            return target
        ceiling = f"{self.ceiling_bps / 100:g} %"
        unsaid = sorted(market_id for market_id in left if math.isnan(used[market_id]))
        why = [f"left above {ceiling} utilisation"] if len(unsaid) < len(left) else []
        if unsaid:
            why.append(f"{', '.join(unsaid)} does not say that its utilisation is within {ceiling}")
        return with_rest_idle(target, legs, "; ".join(why))

    def quiet(self, tape: Tape, rows: Ints) -> Quiet:
        return Quiet(np.where(tape.utilisation[rows] <= self.ceiling_bps / BPS, np.inf, 0.0), BPS)
