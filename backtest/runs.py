"""What a run is described by, and what it was: settings, decisions, and what was held from when. Refuses nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from backtest.impact import Impact
from backtest.terms import Terms
from strategies.decide import DecideSettings, Decision
from strategies.domain import Address, Amount, Market, Portfolio
from strategies.tape import Observation, Tape
from wallets.journal import Journal
from wallets.ledger import Ledger
from wallets.policy import Policy
from wallets.wallet import Receipt, Verdict

OPENING: Final = "opening"
MOVE: Final = "move"
INTEREST: Final = "interest"  # what our own size cost of it was taken off
LIQUIDATION: Final = "liquidation"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run is described by, besides its tape."""

    name: str
    decide: DecideSettings
    policy: Policy | None  # None: nobody judges and nothing is booked, which shows what guard and books cost
    account: Address
    opening: Portfolio
    most_moves: int | None  # after so many executed plans only time passes; None: no limit
    latency_rows: int  # between the row decided on and the row executed at
    impact: Impact | None  # how our own size is counted; NO_IMPACT: every rate as if we were not there
    latency_seconds: int = 0  # and at least so long
    terms: Mapping[str, Terms] = field(default_factory=dict)  # of coming in and going out, by market id; absent: at any time


@dataclass(frozen=True, slots=True)
class Segment:
    """What is held from a row on, what began it, and what a move that did burned and supplied."""

    row: int
    portfolio: Portfolio
    fee_wei: int = 0
    supplied_raw: int = 0
    cause: str = MOVE


@dataclass(frozen=True, slots=True)
class Liquidation:
    """Somebody repaid a debt of ours and took collateral for it."""

    row: int
    debt: Market
    repaid: Amount
    collateral: Market  # where what was taken lay
    seized: Amount
    penalty_usd_e8: int  # what was taken beyond what was repaid; in the unit of the market's oracle where that knows no dollars


@dataclass(frozen=True, slots=True)
class Step:
    """One decision, and what became of it: an approved plan is due at a row, and `held` says why it did not execute there."""

    seen: Observation
    decision: Decision
    verdict: Verdict | None
    receipt: Receipt | None
    due_row: int | None
    held: str


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run; curves and figures are computed from it."""

    tape: Tape
    settings: RunSettings
    segments: tuple[Segment, ...]
    steps: tuple[Step, ...]  # every decision; without a policy those alone that executed nothing whole or were looked at closely
    decisions: int
    ledger: Ledger  # reconciled to the unit with what is held at the end; empty without a policy
    journal: Journal
    impact_raw: int = 0  # what our own size cost in all, base units
    stuck_seconds: int = 0  # how long money was wanted out of a market that could not pay it
    liquidations: tuple[Liquidation, ...] = ()

    @property
    def moves(self) -> int:
        """Plans executed whole."""
        return sum([segment.cause == MOVE for segment in self.segments])
