"""Exchange prices through ccxt, as witnesses beside the chain's own oracles. Refuses, by name, what is stale, from the future,
missing, not a number, crossed or wide, and what disagrees: a disagreement is quarantined, never averaged.

ccxt hands figures over as floats. A float here is the nearest one to the decimal text the exchange sent, and `str` gives that
text back (exactly, up to 15 digits), so every figure goes text → Decimal → integer and is never multiplied as a float."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, StringConstraints

from strategies.domain import Asset, Quote
from strategies.errors import PriceDisagreement, SettingsError
from strategies.tape import Reading
from strategies.units import BPS, USD_E8
from wallets.policy import Positive

Refusals = tuple[tuple[str, str], ...]  # (asset symbol, reason)

ORACLE: Final = "oracle"
HIGHEST_USD: Final = 10**10  # beyond any asset's price, and within the tape's 64 bits when written with 8 decimals


class PriceSettings(BaseModel):
    """Which exchanges to ask, and when to believe them. No exchange is an answer where the oracles are mocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    exchanges: tuple[str, ...]  # ccxt ids
    # asset symbol → exchange symbol; in dollars only: a price in a stablecoin would hide that coin's own depeg
    symbols: Mapping[str, Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]+/USD$")]]
    max_deviation_bps: Positive
    max_age_seconds: Positive
    timeout_seconds: Positive


class Exchange(Protocol):
    """What is used of a ccxt exchange."""

    @property
    def id(self) -> str: ...

    def load_markets(self) -> Mapping[str, Any]:
        """What it trades; asked once, then remembered."""

    def fetch_tickers(self, symbols: list[str]) -> Mapping[str, Any]:
        """Best bid and ask of several symbols in one request."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """What the exchanges said, at most one quote a source and asset; and what was refused."""

    quotes: tuple[Quote, ...]
    refused: Refusals


def open_exchange(name: str, timeout_seconds: int) -> Exchange:
    """A ccxt exchange without keys. Raises SettingsError for a name it does not know, or one that lacks the request."""
    import ccxt

    if name not in ccxt.exchanges:
        raise SettingsError(f"prices.exchanges: ccxt knows no exchange {name!r}; see ccxt's list of ids")
    exchange = getattr(ccxt, name)({"timeout": timeout_seconds * 1000, "enableRateLimit": True})
    if not exchange.has["fetchTickers"]:
        raise SettingsError(f"prices.exchanges: {name} does not give several prices in one request; name another exchange")
    opened: Exchange = exchange
    return opened


def open_exchanges(settings: PriceSettings, open_one: Callable[[str, int], Exchange] = open_exchange) -> tuple[Exchange, ...]:
    """Every exchange of the settings, kept by the caller so that markets are loaded once. Raises SettingsError."""
    return tuple(open_one(name, settings.timeout_seconds) for name in settings.exchanges)


def quotes(settings: PriceSettings, exchanges: Sequence[Exchange], assets: Sequence[Asset], now: int) -> Quoted:
    """One quote an exchange and asset, or the reason why not. `now` is the machine's clock, since exchanges keep that time."""
    accepted, refused = list[Quote](), list[tuple[str, str]]()
    symbols = {asset: settings.symbols[asset.symbol] for asset in assets if asset.symbol in settings.symbols}
    for exchange in exchanges:
        tickers = _tickers(exchange, sorted(set(symbols.values())))
        for asset, symbol in symbols.items():
            said = tickers if isinstance(tickers, str) else _quote(tickers.get(symbol), exchange.id, settings, asset, now)
            if isinstance(said, str):
                refused.append((asset.symbol, f"{exchange.id}: {said}"))
            else:
                accepted.append(said)
    return Quoted(tuple(accepted), tuple(refused))


def cross_check(said: Sequence[Quote], oracle: Mapping[Asset, int], max_deviation_bps: int) -> Quoted:
    """The quotes of every asset whose witnesses agree, oracle included. Two that disagree, or one alone, refuse the asset."""
    accepted, refused = list[Quote](), list[tuple[str, str]]()
    for asset in dict.fromkeys(quote.asset for quote in said):
        ours = [quote for quote in said if quote.asset == asset]
        witnesses = [(quote.source, quote.usd_e8) for quote in ours]
        if asset in oracle:
            witnesses.append((ORACLE, oracle[asset]))
        reason = _disagreement(asset, witnesses, max_deviation_bps)
        if reason:
            refused.append((asset.symbol, reason))
        else:
            accepted.extend(ours)
    return Quoted(tuple(accepted), tuple(refused))


def confirmed(settings: PriceSettings, oracle: Sequence[Quote], said: Quoted, assets: Sequence[Asset]) -> Quoted:
    """A block's prices: the oracle's own where an exchange confirms it or none is asked, an exchange's where there is no oracle.

    An asset that exchanges are asked about and none confirms has no price: a silent witness is no witness."""
    asked = [asset for asset in assets if settings.exchanges and asset.symbol in settings.symbols]
    checked = cross_check(said.quotes, {quote.asset: quote.usd_e8 for quote in oracle}, settings.max_deviation_bps)
    first = {quote.asset: quote for quote in reversed(checked.quotes)}
    by_oracle = {quote.asset: quote for quote in oracle if quote.asset in first or quote.asset not in asked}
    disagreeing = {symbol for symbol, _ in checked.refused}
    silent = [asset.symbol for asset in asked if asset not in first and asset.symbol not in disagreeing]
    unconfirmed = tuple((symbol, "no exchange confirms its price") for symbol in silent)
    return Quoted(tuple((first | by_oracle).values()), said.refused + checked.refused + unconfirmed)


def witness(
    settings: PriceSettings, exchanges: Sequence[Exchange], assets: Sequence[Asset], clock: Callable[[], int]
) -> Callable[[Reading], tuple[tuple[Quote, ...], Refusals]]:
    """What a feed asks of each reading: its prices, held against the exchanges."""

    def look(reading: Reading) -> tuple[tuple[Quote, ...], Refusals]:
        found = confirmed(settings, reading.quotes, quotes(settings, exchanges, assets, clock()), assets)
        return found.quotes, found.refused

    return look


def apart(one_usd_e8: int, other_usd_e8: int, limit_bps: int) -> bool:
    """Whether two prices differ by more than so many basis points of the lower."""
    return abs(one_usd_e8 - other_usd_e8) * BPS > limit_bps * min(one_usd_e8, other_usd_e8)


def _disagreement(asset: Asset, witnesses: Sequence[tuple[str, int]], limit_bps: int) -> str:
    """Why an asset's prices cannot be used; empty where they agree."""
    if len(witnesses) < 2:
        return f"only {witnesses[0][0]} gives a price: a second witness is needed"
    for (one, one_usd_e8), (other, other_usd_e8) in combinations(witnesses, 2):
        if one_usd_e8 <= 0 or other_usd_e8 <= 0 or apart(one_usd_e8, other_usd_e8, limit_bps):
            error = PriceDisagreement(symbol=asset.symbol, one_usd_e8=one_usd_e8, other_usd_e8=other_usd_e8, limit_bps=limit_bps)
            return f"{one} against {other}: {error}"
    return ""


def _tickers(exchange: Exchange, symbols: list[str]) -> Mapping[str, Any] | str:
    """The tickers of the symbols an exchange lists, or why there are none.

    What an exchange sends is foreign: an error's text may quote it, so only the error's name is kept. A malformed answer
    breaks ccxt's parsers in any of the ways below; they are this exchange's refusal, not ours."""
    import ccxt

    try:
        listed = exchange.load_markets()
        wanted = [symbol for symbol in symbols if symbol in listed]
        tickers = exchange.fetch_tickers(wanted) if wanted else {}
    except ccxt.BaseError as error:
        return f"no prices ({type(error).__name__})"
    except (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
        return f"its answer could not be read ({type(error).__name__})"
    return tickers if isinstance(tickers, Mapping) else "its answer could not be read (no table)"


def _quote(ticker: object, source: str, settings: PriceSettings, asset: Asset, now: int) -> Quote | str:
    """One ticker as a quote, or why not."""
    symbol = settings.symbols[asset.symbol]
    if not isinstance(ticker, Mapping):
        return f"gives no price of {symbol}"
    milliseconds = ticker.get("timestamp")
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool):
        return f"does not say when its price of {symbol} was true"
    age_seconds = now - milliseconds // 1000
    if age_seconds > settings.max_age_seconds:
        return f"its price of {symbol} is {age_seconds} s old; at most {settings.max_age_seconds} s is allowed"
    if age_seconds < -settings.max_age_seconds:
        return f"its price of {symbol} is from {-age_seconds} s in the future"
    price = _price_usd_e8(ticker, symbol, settings.max_deviation_bps)
    return price if isinstance(price, str) else Quote(asset, price, source, milliseconds // 1000)


def _price_usd_e8(ticker: Mapping[str, Any], symbol: str, max_spread_bps: int) -> int | str:
    """The middle of bid and ask, rounded down. The last trade is no price: in a dead book it may be of any age."""
    if ticker.get("bid") is None or ticker.get("ask") is None:
        return f"has no bid and ask of {symbol}"  # ccxt turns a zero into none, too
    bid, ask = _usd_e8_down(ticker["bid"]), _usd_e8_down(ticker["ask"])
    if not bid or not ask or bid < 0 or ask < 0:
        return f"its bid or ask of {symbol} is no positive number"
    if bid > ask:
        return f"its bid of {symbol} is above its ask"
    if apart(bid, ask, max_spread_bps):
        return f"its bid and ask of {symbol} are more than {max_spread_bps} bps apart"
    return (bid + ask) // 2


def _usd_e8_down(figure: object) -> int | None:
    """A decimal figure in 1e-8 dollars, rounded down; None for what is no finite number, or no price of anything."""
    if isinstance(figure, bool) or not isinstance(figure, int | float):
        return None
    value = Decimal(str(figure))
    return math.floor(value * USD_E8) if value.is_finite() and abs(value) < HIGHEST_USD else None
