"""Double entry over receipts: every fact balanced, every balance a fold. Refuses entries that do not sum to zero in each asset.

Accounts: `wallet` is what lies idle, `market:<id>` a net claim (supplied less owed) as booked, `income:<id>` what a market earned
us, `trades:<id>` what was given to an exchange and got from it, `fees` what gas cost, `treasury` and `outside` everybody else.
All sum to zero, so income and outside stand negative."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address, Amount, Asset, Deployment, Market, Portfolio
from strategies.errors import IncompleteRead, LedgerMismatch, UnbalancedEntry
from strategies.protocols.registry import adapter_of
from strategies.tape import Reading
from wallets.wallet import Receipt, TokenTransfer

WALLET: Final = "wallet"
FEES: Final = "fees"
OUTSIDE: Final = "outside"
TREASURY: Final = "treasury"
EXCHANGES: Final = ("uniswap_router", "wrapped_native")  # where nothing is left behind that could earn


@dataclass(frozen=True, slots=True)
class Leg:
    """What one account gained (positive) or gave."""

    account: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class Entry:
    """One balanced fact. Raises UnbalancedEntry."""

    timestamp: int
    memo: str
    legs: tuple[Leg, ...]

    def __post_init__(self) -> None:
        sums: dict[Asset, int] = {}
        for leg in self.legs:
            sums[leg.amount.asset] = sums.get(leg.amount.asset, 0) + leg.amount.raw
        for asset, sum_raw in sums.items():
            if sum_raw:
                raise UnbalancedEntry(symbol=asset.symbol, sum_raw=sum_raw)


def moved(timestamp: int, memo: str, amount: Amount, *, giver: str, taker: str) -> Entry:
    """An amount from one account to another."""
    return Entry(timestamp, memo, (Leg(taker, amount), Leg(giver, Amount(amount.asset, -amount.raw))))


def market_account(market: Market) -> str:
    return f"market:{market.id}"


def opening(portfolio: Portfolio, timestamp: int) -> tuple[Entry, ...]:
    """What was idle when the books were opened; claims held then come by `accruals`, as income."""
    return tuple([moved(timestamp, "opening", idle, giver=OUTSIDE, taker=WALLET) for idle in portfolio.idle if idle.raw])


def entries_of(
    receipt: Receipt, deployment: Deployment, account: Address, timestamp: int, treasury: Address | None = None
) -> tuple[Entry, ...]:
    """A receipt's token changes in order, then its fees."""
    return (
        *[_entry(transfer, deployment, account, timestamp, treasury) for transfer in receipt.transfers],
        *_fees(receipt, deployment, timestamp),
    )


def _entry(transfer: TokenTransfer, deployment: Deployment, account: Address, timestamp: int, treasury: Address | None) -> Entry:
    amount = Amount(transfer.asset, transfer.raw)
    if transfer.sender == account:
        other = _counterparty(transfer.recipient, transfer.asset, deployment, treasury)
        return moved(timestamp, f"to {other}", amount, giver=WALLET, taker=other)
    other = _counterparty(transfer.sender, transfer.asset, deployment, treasury)
    return moved(timestamp, f"from {other}", amount, giver=other, taker=WALLET)


def _counterparty(address: Address, asset: Asset, deployment: Deployment, treasury: Address | None) -> str:
    """A market by any of its contracts and the asset that moved, or the trades made there; else the treasury; else outside."""
    for market in deployment.markets_at.get(address, ()):
        if market.protocol in EXCHANGES and asset in (market.asset, *market.others):
            return f"trades:{market.id}"
        if market.asset == asset:
            return market_account(market)
    return TREASURY if address == treasury else OUTSIDE


def _fees(receipt: Receipt, deployment: Deployment, timestamp: int) -> Iterator[Entry]:
    """A reverted transaction's fee is paid too."""
    coin = deployment.native
    for transaction in receipt.transactions:
        if transaction.fee_wei and coin is None:
            raise LedgerMismatch(account=FEES, symbol="native coin", booked_raw=0, found_raw=transaction.fee_wei)
        if transaction.fee_wei and coin is not None:
            giver = WALLET if transaction.payer is None else OUTSIDE
            yield moved(timestamp, "gas", Amount(coin, transaction.fee_wei), giver=giver, taker=FEES)


def accrual(market: Market, *, booked_raw: int, value_raw: int, timestamp: int) -> Entry:
    """What a claim earned since it was last booked; a loss is a negative income."""
    earned = Amount(market.asset, value_raw - booked_raw)
    return moved(timestamp, "interest", earned, giver=f"income:{market.id}", taker=market_account(market))


def balances(entries: Iterable[Entry]) -> Mapping[tuple[str, Asset], int]:
    """Every account's balance in every asset."""
    sums: dict[tuple[str, Asset], int] = {}
    for entry in entries:
        for leg in entry.legs:
            key = leg.account, leg.amount.asset
            sums[key] = sums.get(key, 0) + leg.amount.raw
    return sums


class Ledger:
    """All entries, only ever appended to, with running balances."""

    __slots__ = ("_balances", "_entries")

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: Final[list[Entry]] = []
        self._balances: Final[dict[tuple[str, Address], int]] = {}
        self.post(entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    def post(self, entries: Iterable[Entry]) -> None:
        """Adds facts; there is no way to take one back but its opposite."""
        for entry in entries:
            self._entries.append(entry)
            for leg in entry.legs:
                key = leg.account, leg.amount.asset.address
                self._balances[key] = self._balances.get(key, 0) + leg.amount.raw

    def balance_raw(self, account: str, asset: Asset) -> int:
        return self._balances.get((account, asset.address), 0)


def accruals(ledger: Ledger, portfolio: Portfolio, reading: Reading, deployment: Deployment) -> tuple[Entry, ...]:
    """The interest of every claim up to a reading. Raises IncompleteRead where a claim's market could not be read."""
    if len(reading.states) != len(deployment.markets):
        raise IncompleteRead(f"a reading of {len(reading.states)} markets; the deployment has {len(deployment.markets)}")
    entries = []
    claims = {held.market.id: held for held in portfolio.positions}
    for at, market in enumerate(deployment.markets):
        held, booked_raw = claims.get(market.id), ledger.balance_raw(market_account(market), market.asset)
        if held is None and not booked_raw:
            continue
        state = reading.states[at]
        if state is None and held is not None and not held.is_empty:
            raise IncompleteRead(f"{market.id} holds a claim and could not be read")
        if state is None:
            continue  # an unread claim is not a claim of nothing: what is booked stands
        value_raw = adapter_of(market).value_raw(state, held) if held is not None else 0
        if value_raw != booked_raw:
            entries.append(accrual(market, booked_raw=booked_raw, value_raw=value_raw, timestamp=reading.timestamp))
    return tuple(entries)


def reconcile(ledger: Ledger, portfolio: Portfolio, reading: Reading, deployment: Deployment) -> None:
    """Books the interest and compares with what is held, to the unit. Raises LedgerMismatch, IncompleteRead."""
    ledger.post(accruals(ledger, portfolio, reading, deployment))
    for asset in deployment.assets:
        booked_raw, found_raw = ledger.balance_raw(WALLET, asset), portfolio.idle_raw(asset)
        if booked_raw != found_raw:
            raise LedgerMismatch(account=WALLET, symbol=asset.symbol, booked_raw=booked_raw, found_raw=found_raw)
    known = {market.id for market in deployment.markets}
    for held in portfolio.positions:
        if held.market.id not in known:
            raise LedgerMismatch(
                account=market_account(held.market), symbol=held.market.asset.symbol, booked_raw=0, found_raw=held.shares_raw
            )
