"""Whether the bytes do what the client says in words. Refuses another action, asset or number of them, and an amount that is not
the stated one in the asset's own decimals: a unit slip is found here, whoever made it."""

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal, InvalidOperation, localcontext
from typing import Final

from strategies.domain import (
    Action,
    Amount,
    Approve,
    Asset,
    ClaimRewards,
    Entire,
    Market,
    Revocation,
    Shares,
    Swap,
    SwapFor,
    figure,
    written,
)
from strategies.protocols.registry import adapter_of
from strategies.units import BPS, USD_E8
from wallets.case import Case, state_of, value_usd_e8, worth_raw
from wallets.wallet import Reason, Stated

NAMES: Final = {SwapFor: "swap", ClaimRewards: "claim"}
DIGITS: Final = 100


def as_stated(case: Case) -> tuple[Reason, ...]:
    """Each stated action is one that was read back, in order, of the same asset and amount."""
    if not case.stated:
        return ()
    found = [action for action in case.actions if action is not None and not isinstance(action, Approve | Revocation)]
    said = [f"{one.action} {one.symbol}" for one in case.stated]
    done = [f"{_name(action)} {_amount(case, action).asset.symbol}" for action in found]
    if said != done:
        text = f"the client says {', '.join(said)}; the bytes say {', '.join(done) or 'nothing'}"
        return (Reason("stated", text),)
    return tuple([reason for one, action in zip(case.stated, found, strict=True) for reason in _differs(case, one, action)])


def stated_raw(text: str, asset: Asset) -> int | None:
    """A decimal amount in base units, rounded down, never up; None where it is no plain positive decimal."""
    if not text.replace(".", "", 1).isdecimal() or not text.isascii() or len(text) > DIGITS:
        return None
    with localcontext() as context:
        context.prec = 2 * DIGITS
        try:
            return int((Decimal(text) * 10**asset.decimals).to_integral_value(rounding=ROUND_DOWN))
        except InvalidOperation:
            return None


def _differs(case: Case, stated: Stated, action: Action) -> Iterator[Reason]:
    amount = _amount(case, action)
    if stated.amount is not None:
        meant_raw = stated_raw(stated.amount, amount.asset)
        exact = isinstance(getattr(action, "amount", amount), Amount)
        if meant_raw is None:
            yield Reason("units", f"{stated.amount!r} is no plain decimal amount")
        elif amount.raw != meant_raw and (exact or abs(amount.raw - meant_raw) * BPS > meant_raw):
            meant = figure(meant_raw, amount.asset.decimals)
            yield Reason("units", f"the client says {meant} {amount.asset.symbol}; the bytes say {written(amount)}")
    if stated.amount_usd is not None:
        meant_usd = stated_raw(stated.amount_usd, Asset(0, "", "USD", 8))
        worth, slack = value_usd_e8(case, amount), case.policy.exchange.max_slippage_bps
        if meant_usd is None or abs(worth - meant_usd) * BPS > meant_usd * slack:
            yield Reason("units", f"the client says {stated.amount_usd} USD; the bytes move {worth / USD_E8:,.2f} USD")


def _name(action: Action) -> str:
    return NAMES.get(type(action), type(action).__name__.lower())


def _amount(case: Case, action: Action) -> Amount:
    """What an action moves: of a trade what it gives, of shares and everything what they are worth now. Raises IncompleteRead."""
    match action:
        case Swap(amount_in=given) | SwapFor(most_in=given):
            return given
        case _:
            market, amount = getattr(action, "market", None), getattr(action, "amount", None)
            if isinstance(amount, Amount):
                return amount
            assert isinstance(market, Market)
            if not isinstance(amount, Shares | Entire):
                return Amount(market.asset, 0)
            entire_raw = adapter_of(market).value_raw(state_of(case, market), case.portfolio.position(market))
            return Amount(market.asset, worth_raw(case, market, amount, entire_raw))
