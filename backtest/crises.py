"""What went wrong in these markets, each as a seeded tape of a month with a name, what it is, and what must happen. Refuses names
that are not listed.

The figures are those of the event where it is a public one; the rest of the tape is made (see scenario) and fitted to nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from backtest.scenario import (
    CHAIN_ID,
    DOLLAR,
    ETHER,
    BadDebt,
    Collapse,
    Depeg,
    DrainedPool,
    Event,
    GasSpike,
    MarketShape,
    OraclesApart,
    RateShock,
    Script,
    tape_of_script,
)
from strategies.domain import Asset
from strategies.errors import UnknownName
from strategies.tape import Tape

HOURS: Final = 720
FIRST_HOUR: Final = 360  # of every crisis: two weeks of calm before
SEED: Final = 20_220_509
UST: Final = Asset(CHAIN_ID, "0x" + "57" * 20, "UST", 6)
STAKED: Final = Asset(CHAIN_ID, "0x" + "5e" * 20, "stETH", 18)

# One market is clearly the best, so that the crisis strikes what is held; the other is where one would go.
BEST: Final = MarketShape("alpha", borrow_apr=0.090, utilisation=0.82, rate_spread=0.05, utilisation_spread=0.10, supplied=900e6)
NEXT: Final = MarketShape("beta", borrow_apr=0.055, utilisation=0.78, rate_spread=0.05, utilisation_spread=0.10, supplied=350e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crisis:
    """One kind of disaster."""

    name: str
    what: str
    must: str  # the law that a run on its tape obeys
    script: Script

    @property
    def hours(self) -> int:
        """How long it lasts; the longest of its events."""
        return max(event.hours for event in self.script.events)


def crisis(name: str) -> Crisis:
    """The crisis of that name. Raises UnknownName."""
    if name not in CRISES:
        raise UnknownName(kind="crisis", name=name, known=tuple(CRISES))
    return CRISES[name]


def crisis_tape(name: str) -> Tape:
    """Its tape: a month of hours, two markets of one asset. Raises UnknownName."""
    return tape_of_script(crisis(name).script)


def _script(*events: Event, asset: Asset = DOLLAR, pegged_to: Asset = DOLLAR) -> Script:
    return Script(SEED, HOURS, asset, (BEST, NEXT), events, pegged_to)


_ALL: Final = (
    Crisis(
        name="ust-may-2022",
        what="UST loses its peg for good: from a dollar to six cents in four days, while everybody who can draws the market down",
        must="no unit is lost and no dollar is hidden: the value in dollars falls with the price, and nothing goes into the"
        " drained market",
        script=_script(
            Collapse(FIRST_HOUR, 96, low_of_peg=0.064), DrainedPool("alpha", FIRST_HOUR, 120, borrow_apr=1.5), asset=UST
        ),
    ),
    Crisis(
        name="steth-june-2022",
        what="stETH trades at 0.93 of ether for weeks, while its markets work as before",
        must="a price alone moves nothing: the same plans as without it, and not a unit less",
        script=_script(Depeg(FIRST_HOUR, 336, low_of_peg=0.9306), asset=STAKED, pegged_to=ETHER),
    ),
    Crisis(
        name="usdc-march-2023",
        what="USDC falls to 0.88 over a weekend; one market's oracle still says a dollar, so that there is no price to act on",
        must="nothing is supplied without a price, however good the rate; what is held stays and earns",
        script=_script(
            OraclesApart("alpha", FIRST_HOUR, 62, low_of_peg=0.8833), RateShock("beta", FIRST_HOUR, 62, 0.95, borrow_apr=0.60)
        ),
    ),
    Crisis(
        name="reserve-at-100",
        what="everything in the market that is held is lent out for three days: nobody can withdraw",
        must="nothing leaves it and nothing goes in, each decision says why, and the claim goes on growing; then it can be left",
        script=_script(DrainedPool("alpha", FIRST_HOUR, 72, borrow_apr=0.40)),
    ),
    Crisis(
        name="vault-bad-debt",
        what="a tenth of what the market lent out is never paid back: its share price falls at once and for good",
        must="the loss is in the books to the unit at its hour, is never averaged away, and the shares stay the same",
        script=_script(BadDebt("alpha", FIRST_HOUR, 1, loss_bps=1_000)),
    ),
    Crisis(
        name="gas-spike",
        what="the base fee stands at 600 gwei for three days, just when another market pays far more",
        must="nothing is supplied while gas is above the limit; it is when gas is back",
        script=_script(GasSpike(FIRST_HOUR, 72, base_fee_gwei=600.0), RateShock("beta", FIRST_HOUR, 240, 0.90, borrow_apr=0.60)),
    ),
)
CRISES: Final[Mapping[str, Crisis]] = {one.name: one for one in _ALL}
