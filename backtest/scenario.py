"""Seeded synthetic tapes, so that a fresh checkout has something to run on. Refuses events beyond its tape or its markets.

What is made, hour by hour: each market's borrow rate is e to an Ornstein-Uhlenbeck process around its mean, and its utilisation
the logistic of another whose shocks are the same in part; the supply rate is borrow rate × utilisation × 0.9; what can be
withdrawn is supplied × (1 - utilisation). The base fee and ether's price are e to such processes too. Events then overwrite
their hours. It is plausible and fitted to nothing: a result on it shows that the machine works, not that a strategy does."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from backtest.checking.marks import Mark
from backtest.dataset import Rates, tape_from_rates
from backtest.index_growth import grown_limbs
from strategies.domain import NATIVE, Asset, Deployment, Market
from strategies.errors import BadTape
from strategies.protocols.recorded_index import RecordedIndexes
from strategies.tape import Floats, Ints, Tape
from strategies.units import BPS, GWEI, USD_E8, mul_div_down

HOUR: Final = 3_600
BLOCKS_AN_HOUR: Final = 300
CHAIN_ID: Final = 31_337
START: Final = 1_704_067_200  # 2024-01-01 00:00 UTC
RESERVE_FACTOR: Final = 0.10
HALF_LIFE_HOURS: Final = 120.0
SHARED_SHOCK: Final = 0.6  # correlation of a market's rate and utilisation
ETHER: Final = Asset(CHAIN_ID, NATIVE, "ETH", 18)
DOLLAR: Final = Asset(CHAIN_ID, "0x" + "5d" * 20, "USDC", 6)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """Where a tape that was made comes from."""

    seed: int


@dataclass(frozen=True, slots=True)
class MarketShape:
    """Where a market's rate and utilisation come back to, and how far they stray (standard deviations of the logarithms)."""

    name: str
    borrow_apr: float
    utilisation: float
    rate_spread: float
    utilisation_spread: float
    supplied: float  # whole units


@dataclass(frozen=True, slots=True)
class RateShock:
    """A borrower draws one market down: utilisation and borrow rate jump and stay."""

    market: str
    first_hour: int
    hours: int
    utilisation: float
    borrow_apr: float


@dataclass(frozen=True, slots=True)
class DrainedPool:
    """Everything is lent out: nothing can be withdrawn."""

    market: str
    first_hour: int
    hours: int
    borrow_apr: float


@dataclass(frozen=True, slots=True)
class Depeg:
    """The asset's price falls at once and comes back in a straight line; every oracle sees it."""

    first_hour: int
    hours: int
    low_of_peg: float


@dataclass(frozen=True, slots=True)
class Collapse:
    """The asset's price falls by the same factor every hour, and stays where it ends; every oracle sees it."""

    first_hour: int
    hours: int
    low_of_peg: float


@dataclass(frozen=True, slots=True)
class OraclesApart:
    """A depeg that one market's own oracle does not see. Two sources that disagree are no price: the asset has none meanwhile."""

    market: str  # whose oracle is blind
    first_hour: int
    hours: int
    low_of_peg: float


@dataclass(frozen=True, slots=True)
class BadDebt:
    """A market's borrowers do not pay back: what a share of it is worth falls at once and for good."""

    market: str
    first_hour: int
    hours: int  # of which only the first matters: no loss is undone
    loss_bps: int


@dataclass(frozen=True, slots=True)
class GasSpike:
    """The base fee stays at this for some hours."""

    first_hour: int
    hours: int
    base_fee_gwei: float


Event: TypeAlias = RateShock | DrainedPool | Depeg | Collapse | OraclesApart | BadDebt | GasSpike


@dataclass(frozen=True, slots=True)
class Script:
    """Everything a synthetic tape is made of; equal scripts give equal tapes."""

    seed: int
    hours: int
    asset: Asset
    markets: tuple[MarketShape, ...]
    events: tuple[Event, ...]
    pegged_to: Asset = DOLLAR  # or ETHER


SHAPES: Final = (
    MarketShape("alpha", borrow_apr=0.060, utilisation=0.82, rate_spread=0.35, utilisation_spread=0.45, supplied=900e6),
    MarketShape("beta", borrow_apr=0.055, utilisation=0.78, rate_spread=0.45, utilisation_spread=0.55, supplied=350e6),
    MarketShape("gamma", borrow_apr=0.070, utilisation=0.70, rate_spread=0.60, utilisation_spread=0.70, supplied=60e6),
    MarketShape("delta", borrow_apr=0.045, utilisation=0.85, rate_spread=0.30, utilisation_spread=0.40, supplied=1_500e6),
)


def sample_tape(*, seed: int = 7, markets: int = 2, hours: int = 8_760) -> Tape:
    """The tape of the demonstration: up to four dollar markets, one of each event in the second half of the tape."""
    return tape_of_script(sample_script(seed=seed, markets=markets, hours=hours))


def sample_script(*, seed: int, markets: int, hours: int) -> Script:
    """What `sample_tape` is made of. Raises BadTape."""
    if not 1 <= markets <= len(SHAPES) or hours < 48:
        raise BadTape(f"a sample has 1 to {len(SHAPES)} markets and at least 48 hours, not {markets} and {hours}")
    shapes = SHAPES[:markets]
    length = max(1, hours // 120)  # three days of a year
    first, last = shapes[0].name, shapes[-1].name
    events = (
        RateShock(first, hours // 2, 4 * length, utilisation=0.97, borrow_apr=0.35),
        GasSpike(hours * 5 // 8, length, base_fee_gwei=180.0),
        Depeg(hours * 6 // 8, length, low_of_peg=0.88),
        DrainedPool(last, hours * 7 // 8, length, borrow_apr=0.60),
    )
    return Script(seed, hours, DOLLAR, shapes, events)


def tape_of_script(script: Script) -> Tape:
    """A script as a tape. Raises BadTape."""
    rng = np.random.default_rng(script.seed)
    rows, names = script.hours, [shape.name for shape in script.markets]
    _inside(script, names)
    borrow, utilisation = np.empty((rows, len(names))), np.empty((rows, len(names)))
    for at, shape in enumerate(script.markets):
        rate_noise, own_noise = _wander(rng, rows), _wander(rng, rows)
        borrow[:, at] = shape.borrow_apr * np.exp(shape.rate_spread * rate_noise)
        shared = SHARED_SHOCK * rate_noise + np.sqrt(1 - SHARED_SHOCK**2) * own_noise
        middle = np.log(shape.utilisation / (1 - shape.utilisation))
        utilisation[:, at] = 1 / (1 + np.exp(-(middle + shape.utilisation_spread * shared)))
    base_fee_wei = (12 * GWEI * np.exp(0.6 * _wander(rng, rows))).astype(np.int64)
    ether_usd_e8 = np.rint(2_500 * USD_E8 * np.exp(0.25 * _wander(rng, rows))).astype(np.int64)
    of_peg, is_priced = np.ones(rows), np.ones(rows, dtype=np.bool_)
    blind = np.zeros((rows, len(names)), dtype=np.bool_)
    for event in script.events:
        hours = slice(event.first_hour, event.first_hour + event.hours)
        match event:
            case RateShock(market=market):
                borrow[hours, names.index(market)] = event.borrow_apr
                utilisation[hours, names.index(market)] = event.utilisation
            case DrainedPool(market=market):
                borrow[hours, names.index(market)] = event.borrow_apr
                utilisation[hours, names.index(market)] = 1.0
            case Depeg():
                of_peg[hours] = _coming_back(event)
            case Collapse():
                of_peg[hours] = event.low_of_peg ** (np.arange(1, event.hours + 1) / event.hours)
                of_peg[hours.stop :] = event.low_of_peg
            case OraclesApart(market=market):
                of_peg[hours] = _coming_back(event)
                is_priced[hours] = False
                blind[hours, names.index(market)] = True
            case GasSpike():
                base_fee_wei[hours] = int(event.base_fee_gwei * GWEI)
            case BadDebt():
                pass  # told by the index, below
    peg_usd_e8 = ether_usd_e8 if script.pegged_to == ETHER else np.full(rows, USD_E8, dtype=np.int64)
    asset_usd_e8 = np.rint(peg_usd_e8 * of_peg).astype(np.int64)
    supplied = np.array([shape.supplied for shape in script.markets])
    timestamp = START + HOUR * np.arange(rows, dtype=np.int64)
    supply_apr = borrow * utilisation * (1 - RESERVE_FACTOR)
    return tape_from_rates(
        Rates(
            deployment=_deployment(script.asset, names),
            timestamp=timestamp,
            block=BLOCKS_AN_HOUR * np.arange(1, rows + 1, dtype=np.int64),
            base_fee_wei=base_fee_wei,
            supply_apr=supply_apr,
            borrow_apr=borrow,
            utilisation=utilisation,
            available=supplied * (1 - utilisation),
            fresh=np.ones_like(borrow, dtype=np.bool_),
            oracle_usd_e8=np.where(blind, peg_usd_e8[:, None], asset_usd_e8[:, None]),
            price_usd_e8=np.stack([np.where(is_priced, asset_usd_e8, 0), ether_usd_e8], axis=1),
            index_ray=tuple([_index_ray(script, name, timestamp, supply_apr[:, at]) for at, name in enumerate(names)]),
            marks=_losses(script, names),
        )
    )


def _coming_back(event: Depeg | OraclesApart) -> Floats:
    return np.linspace(event.low_of_peg, 1.0, event.hours, endpoint=False)


def _index_ray(script: Script, name: str, timestamp: Ints, supply_apr: Floats) -> list[int] | None:
    """The index of a market that loses something, grown between its losses; None for one that does not."""
    losses = [event for event in script.events if isinstance(event, BadDebt) and event.market == name]
    if not losses:
        return None
    low, high = grown_limbs(timestamp, supply_apr, np.arange(len(timestamp), dtype=np.int32))
    index_ray = [top << 64 | bottom for bottom, top in zip(low.tolist(), high.tolist(), strict=True)]
    for loss in losses:
        kept_bps = BPS - loss.loss_bps
        index_ray[loss.first_hour :] = [mul_div_down(index, kept_bps, BPS) for index in index_ray[loss.first_hour :]]
    return index_ray


def _losses(script: Script, names: Sequence[str]) -> Ints | None:
    """The rows at which something was lost, marked as real; None where nothing was."""
    losses = [event for event in script.events if isinstance(event, BadDebt)]
    if not losses:
        return None
    marks = np.zeros((script.hours, len(names)), dtype=np.int64)
    for loss in losses:
        marks[loss.first_hour, names.index(loss.market)] = int(Mark.LOSS)
    return marks


def _inside(script: Script, names: Sequence[str]) -> None:
    for event in script.events:
        if event.first_hour < 0 or event.hours < 1 or event.first_hour + event.hours > script.hours:
            raise BadTape(f"{event} lies outside the tape's {script.hours} hours")
        if isinstance(event, RateShock | DrainedPool | OraclesApart | BadDebt) and event.market not in names:
            raise BadTape(f"{event} names no market of this script: {', '.join(names)}")


def _wander(rng: np.random.Generator, rows: int) -> Floats:
    """An Ornstein-Uhlenbeck path of mean 0 and standard deviation 1, started in its steady state."""
    keep = 0.5 ** (1 / HALF_LIFE_HOURS)
    shocks = (rng.standard_normal(rows) * np.sqrt(1 - keep**2)).tolist()
    value = float(rng.standard_normal())
    path = []
    for shock in shocks:
        value = keep * value + shock
        path.append(value)
    return np.array(path)


def _deployment(asset: Asset, names: Sequence[str]) -> Deployment:
    protocol = RecordedIndexes().protocol
    markets = tuple(
        Market(f"{name}:{asset.symbol}", protocol, "0x" + hashlib.sha256(name.encode()).hexdigest()[:40], asset) for name in names
    )
    return Deployment(CHAIN_ID, "synthetic", NATIVE, (asset, ETHER), markets, {})
