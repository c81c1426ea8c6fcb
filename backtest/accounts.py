"""Lots and realised income per asset, as an accountant asks for them, out of any ledger's entries. Refuses what does not come out
to the ledger's unit, a disposal of more than there is, and a market that owes and whose debt was not booked as it accrued.

The rules, said once: a lot is a quantity that came at one time, at what it was worth then. Supplying to a market and withdrawing
from it keeps the lots, because the asset stays ours. What comes out of a market beyond what went in is interest, realised when it
comes out, and a lot of its own; principal comes out first. Interest not yet withdrawn is told as accrued and is no lot. What
leaves (a trade, gas, a payment) takes the oldest lots first (FIFO), each at its own cost. Gas is an expense at its worth of the
time. A claim of nothing on principal is a loss: the lots leave for nothing.

A debt is no lot: it is told as accrued below zero. Where a liquidation repays some of it, that is told as repaid; what it seizes
leaves for just that debt, and what it takes beyond it, at the prices of the time, is the penalty: lots that leave for nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from backtest.runs import LIQUIDATION
from strategies.assets import Amount, Asset, figure
from strategies.errors import LedgerError, LedgerMismatch
from strategies.tape import Tape
from wallets.ledger import FEES, OUTSIDE, WALLET, Entry, Ledger, balances

MARKET: Final = "market:"
INCOME: Final = "income:"
CAME: Final = ("opening", "income", "acquired")
FOR_NOTHING: Final = ("loss", "penalty")
LEFT: Final = ("disposed", "gas", "seized", *FOR_NOTHING)
KINDS: Final = (*CAME, *LEFT, "repaid", "accrued", "held")

PriceAt = Callable[[Asset, int], int | None]  # USD with 8 decimals of one whole unit at a unix time; None: not known
Balances = Mapping[tuple[str, Asset], int]


class Unaccountable(LedgerError):
    """Entries that cannot be put into lots."""

    def __init__(self, what: str, *, asset: Asset, timestamp: int) -> None:
        super().__init__(f"{asset.symbol} at {timestamp}: {what}")
        self.what: Final = what
        self.asset: Final = asset
        self.timestamp: Final = timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One fact of the accounts, of one lot where it touches one. USD with 8 decimals; None is not known."""

    timestamp: int
    kind: str  # one of KINDS
    account: str  # the ledger's account on the other side
    amount: Amount  # never negative, but for accrued losses and debts
    lot: int | None = None  # its number among its asset's lots
    acquired: int | None = None  # when the lot came
    value_usd_e8: int | None  # what the quantity was worth at the time; of what was seized, the debt repaid for it
    cost_usd_e8: int | None = None  # what it was worth when it came

    @property
    def gain_usd_e8(self) -> int | None:
        """Worth less cost of what left; None where nothing left or one of them is not known."""
        if self.kind not in LEFT or self.value_usd_e8 is None or self.cost_usd_e8 is None:
            return None
        return self.value_usd_e8 - self.cost_usd_e8


@dataclass(frozen=True, slots=True)
class Accounts:
    """All lines, oldest first, those of the end last."""

    lines: tuple[Line, ...]

    def total_raw(self, asset: Asset, *kinds: str) -> int:
        """What the lines of some kinds sum to in an asset, base units."""
        return sum(line.amount.raw for line in self.lines if line.kind in kinds and line.amount.asset == asset)


@dataclass(frozen=True, slots=True)
class _Lot:
    number: int
    acquired: int
    raw: int
    cost_usd_e8: int | None


def tape_prices(tape: Tape) -> PriceAt:
    """The tape's price at a time: of the latest row at or before it that says one."""

    def price(asset: Asset, timestamp: int) -> int | None:
        rows = int(tape.timestamp.searchsorted(timestamp, side="right"))
        said = tape.price_usd_e8[:rows, tape.asset_rows[asset]]
        known = said.nonzero()[0]
        return int(said[known[-1]]) if len(known) else None

    return price


def accounts_of(entries: Sequence[Entry], *, price: PriceAt, until: int) -> Accounts:
    """The accounts of entries with their interest booked up to `until`, when what is left is told. Raises Unaccountable,
    LedgerMismatch."""
    books: dict[Asset, _Book] = {}
    lines: list[Line] = []
    repaid: Amount | None = None
    for entry in entries:
        for asset in dict.fromkeys(leg.amount.asset for leg in entry.legs):
            lines += books.setdefault(asset, _Book(asset, price)).post(entry, repaid)
        repaid = _repaid(entry)
    ledger = balances(entries)
    for book in books.values():
        lines += book.close(ledger, until)
    found = Accounts(tuple(lines))
    _agree(found, ledger)
    return found


def reconcile(accounts: Accounts, ledger: Ledger) -> None:
    """Holds the accounts against a ledger's balances, to the unit. Raises LedgerMismatch."""
    _agree(accounts, balances(ledger.entries))


class _Book:
    """One asset's lots, oldest first, and the principal in each market."""

    __slots__ = ("_asset", "_count", "_drawn", "_lots", "_price", "_principal_raw")

    def __init__(self, asset: Asset, price: PriceAt) -> None:
        self._asset: Final = asset
        self._price: Final = price
        self._lots: list[_Lot] = []
        self._principal_raw: Final[dict[str, int]] = {}
        self._drawn: Final = set[str]()  # markets out of which more came than went in
        self._count = 0

    def post(self, entry: Entry, repaid: Amount | None) -> Iterator[Line]:
        """What one entry did to this asset; `repaid` is the debt that the entry before it repaid for us. Raises Unaccountable."""
        legs = [leg for leg in entry.legs if leg.amount.asset == self._asset and leg.amount.raw]
        if any(leg.account.startswith(INCOME) for leg in legs):
            return  # booked interest is realised when it comes out, and told as accrued until then
        if all(leg.account in (FEES, OUTSIDE) for leg in legs):
            return  # gas that somebody else paid
        is_liquidation = any(leg.account == LIQUIDATION for leg in legs)
        for leg in legs:
            raw = leg.amount.raw
            if is_liquidation:
                yield from self._liquidate(leg.account, raw, entry.timestamp, repaid)
            elif leg.account.startswith(MARKET):
                yield from self._through_market(leg.account, raw, entry.timestamp)
            elif leg.account != WALLET and raw > 0:
                yield from self._take("gas" if leg.account == FEES else "disposed", leg.account, raw, entry.timestamp)
            elif leg.account != WALLET:
                yield self._add("opening" if entry.memo == "opening" else "acquired", leg.account, -raw, entry.timestamp)

    def close(self, ledger: Balances, until: int) -> Iterator[Line]:
        """What is left: claims that are gone, accrued interest of the others, the lots still held. Raises Unaccountable."""
        claims = sorted((account, raw) for (account, asset), raw in ledger.items() if asset == self._asset)
        for account, value_raw in claims:
            if account.startswith(MARKET):
                yield from self._settle(account, value_raw, until)
        for lot in self._lots:
            yield self._line("held", WALLET, lot, until, cost_usd_e8=lot.cost_usd_e8)

    def _through_market(self, account: str, raw: int, timestamp: int) -> Iterator[Line]:
        """Into a market as principal; out of it principal first, what is beyond as realised interest."""
        inside_raw = self._principal_raw.get(account, 0) + raw
        self._principal_raw[account] = max(0, inside_raw)
        if inside_raw < 0:
            self._drawn.add(account)
            yield self._add("income", account, -inside_raw, timestamp)

    def _liquidate(self, account: str, raw: int, timestamp: int, repaid: Amount | None) -> Iterator[Line]:
        """The market's side says all: a debt repaid there is told, supply taken there leaves. Raises Unaccountable."""
        if not account.startswith(MARKET):
            return
        if raw > 0:
            told = Amount(self._asset, raw)
            yield Line(timestamp=timestamp, kind="repaid", account=account, amount=told, value_usd_e8=self._worth(raw, timestamp))
            return
        if repaid is None:
            what = f"{self._written(-raw)} were seized from {account}, and no debt was repaid for them"
            raise Unaccountable(what, asset=self._asset, timestamp=timestamp)
        yield from self._through_market(account, raw, timestamp)
        paid_raw = min(-raw, self._bought_raw(repaid, timestamp, otherwise=-raw))
        seized = list(self._take("seized", account, paid_raw, timestamp))
        yield from _paid(seized, _worth(repaid, self._price(repaid.asset, timestamp)))
        yield from self._take("penalty", account, -raw - paid_raw, timestamp)

    def _bought_raw(self, paid: Amount, timestamp: int, *, otherwise: int) -> int:
        """How much of this asset an amount of another was worth, rounded down; `otherwise` where a price is not known."""
        paid_usd_e8, usd_e8 = self._price(paid.asset, timestamp), self._price(self._asset, timestamp)
        if paid_usd_e8 is None or usd_e8 is None:
            return otherwise
        bought_raw: int = paid.raw * paid_usd_e8 * 10**self._asset.decimals // (usd_e8 * 10**paid.asset.decimals)
        return bought_raw

    def _settle(self, account: str, value_raw: int, until: int) -> Iterator[Line]:
        principal_raw = self._principal_raw.get(account, 0)
        if value_raw < 0 and account in self._drawn:
            owed = f"{account} owes {self._written(-value_raw)} more than it holds and paid out more than went in"
            what = f"{owed}: what was borrowed, and interest that was not booked, are not accounted for"
            raise Unaccountable(what, asset=self._asset, timestamp=until)
        if value_raw == 0:
            yield from self._take("loss", account, principal_raw, until)
        elif value_raw != principal_raw:
            accrued = Amount(self._asset, value_raw - principal_raw)
            yield Line(
                timestamp=until, kind="accrued", account=account, amount=accrued, value_usd_e8=self._worth(accrued.raw, until)
            )

    def _add(self, kind: str, account: str, raw: int, timestamp: int) -> Line:
        """A new lot, at its worth of the time."""
        self._count += 1
        lot = _Lot(self._count, timestamp, raw, self._worth(raw, timestamp))
        self._lots.append(lot)
        return self._line(kind, account, lot, timestamp, cost_usd_e8=lot.cost_usd_e8)

    def _take(self, kind: str, account: str, raw: int, timestamp: int) -> Iterator[Line]:
        """The oldest lots first; a cost is split downwards, so that a lot's last part carries the rest. Raises Unaccountable."""
        left_raw = raw
        while left_raw:
            if not self._lots:
                what = (
                    f"{self._written(left_raw)} of {self._written(raw)} left for {account} and never came: an opening is missing"
                )
                raise Unaccountable(what, asset=self._asset, timestamp=timestamp)
            lot, taken_raw = self._lots[0], min(left_raw, self._lots[0].raw)
            cost = None if lot.cost_usd_e8 is None else lot.cost_usd_e8 * taken_raw // lot.raw
            taken = _Lot(lot.number, lot.acquired, taken_raw, cost)
            yield self._line(kind, account, taken, timestamp, cost_usd_e8=cost)
            rest_e8 = None if lot.cost_usd_e8 is None or cost is None else lot.cost_usd_e8 - cost
            rest = _Lot(lot.number, lot.acquired, lot.raw - taken_raw, rest_e8)
            self._lots[:1] = [rest] if rest.raw else []
            left_raw -= taken_raw

    def _line(self, kind: str, account: str, lot: _Lot, timestamp: int, *, cost_usd_e8: int | None) -> Line:
        return Line(
            timestamp=timestamp,
            kind=kind,
            account=account,
            amount=Amount(self._asset, lot.raw),
            lot=lot.number,
            acquired=lot.acquired,
            value_usd_e8=0 if kind in FOR_NOTHING else self._worth(lot.raw, timestamp),
            cost_usd_e8=cost_usd_e8,
        )

    def _worth(self, raw: int, timestamp: int) -> int | None:
        return _worth(Amount(self._asset, raw), self._price(self._asset, timestamp))

    def _written(self, raw: int) -> str:
        return figure(raw, self._asset.decimals)


def _repaid(entry: Entry) -> Amount | None:
    """The debt that somebody repaid for us in an entry."""
    givers = [leg.amount for leg in entry.legs if leg.account == LIQUIDATION and leg.amount.raw < 0]
    return Amount(givers[0].asset, -givers[0].raw) if givers else None


def _paid(lines: Sequence[Line], proceeds_usd_e8: int | None) -> Iterator[Line]:
    """Lots that left together for one sum, split by quantity downwards; the last carries the rest."""
    left_usd_e8, left_raw = proceeds_usd_e8, sum(line.amount.raw for line in lines)
    for line in lines:
        if left_usd_e8 is None:
            yield replace(line, value_usd_e8=None)
            continue
        part_usd_e8 = left_usd_e8 * line.amount.raw // left_raw
        yield replace(line, value_usd_e8=part_usd_e8)
        left_usd_e8, left_raw = left_usd_e8 - part_usd_e8, left_raw - line.amount.raw


def _worth(amount: Amount, usd_e8: int | None) -> int | None:
    """Dollars with 8 decimals, rounded towards nothing."""
    if usd_e8 is None:
        return None
    worth: int = abs(amount.raw) * usd_e8 // 10**amount.asset.decimals
    return worth if amount.raw >= 0 else -worth


def _agree(found: Accounts, ledger: Balances) -> None:
    """Lots that came have left or are held; with accrued interest they are what the ledger says is ours; and all interest, less
    what was lost and what of debts was repaid, is what it says was earned."""
    for asset in dict.fromkeys([of for _, of in ledger] + [line.amount.asset for line in found.lines]):
        held_raw = found.total_raw(asset, "held")
        earned_raw = found.total_raw(asset, "income", "accrued") - found.total_raw(asset, "loss", "repaid")
        ours_raw = ledger.get((WALLET, asset), 0) + _sum(ledger, asset, MARKET)
        _equal("lots", asset, held_raw, found.total_raw(asset, *CAME) - found.total_raw(asset, *LEFT))
        _equal("what is held", asset, held_raw + found.total_raw(asset, "accrued"), ours_raw)
        _equal("what was earned", asset, earned_raw, -_sum(ledger, asset, INCOME))


def _sum(ledger: Balances, asset: Asset, prefix: str) -> int:
    return sum(raw for (account, of), raw in ledger.items() if of == asset and account.startswith(prefix))


def _equal(what: str, asset: Asset, found_raw: int, booked_raw: int) -> None:
    if found_raw != booked_raw:
        raise LedgerMismatch(account=what, symbol=asset.symbol, booked_raw=booked_raw, found_raw=found_raw)
