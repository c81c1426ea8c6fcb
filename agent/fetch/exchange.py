"""Candles and funding rates of an exchange through ccxt, page by page. Refuses exchanges and symbols that ccxt does not know, a
page without rows, rows that were not asked for, and figures that no market could have.

Every request of ccxt goes through agent.fetch.web: no redirect is followed, no answer is longer than it may be, and a busy server
is waited for as it asks. ccxt gives figures as floats, each the nearest one to the text the exchange sent."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlsplit

from agent.fetch.cache import Fetched, Piece
from agent.fetch.web import HEADERS, Patience, Site, name_of, strict_json
from strategies.errors import EndpointUnusable, IncompleteRead, ObservationError, SettingsError
from strategies.units import SECONDS_PER_DAY

PAGE_ROWS: Final = 500
PAGE_REQUESTS: Final = 60  # an exchange that gives ten rows at a time fills a page in fewer
FUNDING_PAGE_SECONDS: Final = 30 * SECONDS_PER_DAY
CANDLE_HEADER: Final = "timestamp,open,high,low,close,volume,source,asset_pair"
FUNDING_HEADER: Final = "funding_timestamp,funding_rate,symbol,source"
_HOST: Final = re.compile(r"^https?://[^/]+")
_BROKEN: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, NotImplementedError)

Row = tuple[int, str]  # unix seconds, and the line of a CSV file


@dataclass(frozen=True, slots=True)
class Window:
    """From a time on, before another; unix seconds."""

    start: int
    end: int


class History:
    """One exchange's past. Raises SettingsError for a name or a base address that is none."""

    __slots__ = ("_exchange", "_patience", "_sites", "_timeout_seconds", "name", "source")

    def __init__(self, name: str, *, timeout_seconds: float, base: str = "", patience: Patience | None = None) -> None:
        import ccxt

        if name not in ccxt.exchanges:
            raise SettingsError(f"ccxt knows no exchange {name[:40]!r}; see ccxt's list of ids")
        self.name: Final = name
        self._exchange: Final[Any] = getattr(ccxt, name)({"timeout": int(timeout_seconds * 1000), "enableRateLimit": True})
        self._patience: Final = patience or Patience()
        self._timeout_seconds: Final = timeout_seconds
        self._sites: Final = dict[str, Site]()
        self.source: Final = f"{name} at {name_of(base)}" if base else name
        if base:
            self._exchange.urls["api"] = _rebased(self._exchange.urls["api"], base.rstrip("/"))
        self._exchange.fetch = self._fetch  # ccxt's own place for another way to the network

    def candles(self, symbol: str, timeframe: str, window: Window, now: int) -> Iterator[Piece]:
        """Open, high, low, close and volume, a piece a page. Raises SettingsError."""
        step = self._step_seconds(timeframe)
        if window.start % step or window.end % step:
            raise SettingsError(f"--start and --end must be whole candles of {timeframe}")
        if window.end > now:
            raise SettingsError("--end: a candle that is not closed is not yet what it will be; end earlier")
        for page in _pages(window, step * PAGE_ROWS):
            rows = partial(self._candles, symbol, timeframe, page)
            yield self._piece("fetchOHLCV", f"candles {symbol} {timeframe}", page, rows)

    def funding(self, symbol: str, window: Window, now: int) -> Iterator[Piece]:
        """Funding rates as they were paid, a piece a page. Raises SettingsError."""
        if window.end > now:
            raise SettingsError("--end lies in the future")
        for page in _pages(window, FUNDING_PAGE_SECONDS):
            rows = partial(self._funding, symbol, page)
            yield self._piece("fetchFundingRateHistory", f"funding {symbol}", page, rows)

    def _piece(self, method: str, what: str, page: Window, rows: Callable[[], Sequence[Row]]) -> Piece:
        if not self._exchange.has.get(method):
            raise SettingsError(f"{self.name} does not give {what.split(maxsplit=1)[0]}; name another exchange")
        file = f"{re.sub('[^A-Za-z0-9]+', '-', what)}-{page.start}-{page.end}.csv"
        return Piece(file, self.source, f"{what} from {page.start} to {page.end}", lambda: self._fetched(what, page, rows))

    def _fetched(self, what: str, page: Window, rows: Callable[[], Sequence[Row]]) -> Fetched:
        found = rows()
        if not found:
            raise IncompleteRead(f"{self.name} has no {what} from {_iso(page.start)} to {_iso(page.end)}")
        return Fetched("".join([f"{line}\n" for _, line in found]).encode(), len(found), found[0][0], found[-1][0])

    def _candles(self, symbol: str, timeframe: str, page: Window) -> Sequence[Row]:
        market, step = self._market_id(symbol), self._step_seconds(timeframe)

        def ask(since: int) -> list[Row]:
            said = self._asked(lambda: self._exchange.fetch_ohlcv(symbol, timeframe, since * 1000, PAGE_ROWS))
            return [_candle(entry, step, f"{self.name},{market}") for entry in _listed(said)]

        return _whole_page(page, ask, step)

    def _funding(self, symbol: str, page: Window) -> Sequence[Row]:
        market = self._market_id(symbol)

        def ask(since: int) -> list[Row]:
            said = self._asked(lambda: self._exchange.fetch_funding_rate_history(symbol, since * 1000, PAGE_ROWS))
            return [_rate(entry, symbol, f"{market},{self.name}") for entry in _listed(said)]

        return _whole_page(page, ask, 1)

    def _market_id(self, symbol: str) -> str:
        """The exchange's own name of a market. Raises SettingsError."""
        markets = self._asked(self._exchange.load_markets)
        if not isinstance(markets, Mapping) or symbol not in markets:
            raise SettingsError(f"{self.name} lists no {symbol[:40]!r}; write it as ccxt does, such as BTC/USDT or BTC/USDT:USDT")
        return re.sub(r"[^A-Za-z0-9:_./-]", "", str(markets[symbol]["id"]))

    def _step_seconds(self, timeframe: str) -> int:
        known = self._exchange.timeframes or {}
        step = self._exchange.parse_timeframe(timeframe) if timeframe in known else 0
        if not 0 < step <= SECONDS_PER_DAY:  # longer ones begin where each exchange likes
            raise SettingsError(f"{self.name} has no candles of {timeframe[:10]!r} up to a day; known: {', '.join(known)}")
        return int(step)

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """An answer of ccxt. Its errors quote the exchange, so only their names are told. Raises EndpointUnusable where the
        exchange stays busy, IncompleteRead where its answer cannot be read."""
        import ccxt

        attempt = 0
        while True:
            try:
                return ask()
            except ObservationError:
                raise
            except ccxt.NetworkError as error:  # its own way to say that it is busy: too many requests, maintenance
                pause_seconds = self._patience.pause_seconds(attempt, None)
                if pause_seconds is None:
                    why = f"{type(error).__name__}, asked {attempt + 1} times"
                    raise EndpointUnusable(endpoint=self.source, why=why) from None
                self._patience.sleep(pause_seconds)
                attempt += 1
            except ccxt.BaseError as error:
                raise IncompleteRead(f"{self.name} refuses ({type(error).__name__})") from None
            except _BROKEN as error:
                raise IncompleteRead(f"the answer of {self.name} could not be read ({type(error).__name__})") from None

    def _fetch(self, url: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: str | None = None) -> object:
        """What ccxt calls for every request. Raises EndpointUnusable, IncompleteRead, and ccxt's own errors."""
        parts = urlsplit(url)
        site = self._sites.get(parts.netloc)
        if site is None:
            site = Site(f"{parts.scheme}://{parts.netloc}", timeout_seconds=self._timeout_seconds, patience=self._patience)
            self._sites[parts.netloc] = site
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        answer = site.ask(
            path, method=method, body=None if body is None else body.encode(), headers={**HEADERS, **(headers or {})}
        )
        try:
            content = strict_json(answer.body)
        except ValueError as error:
            raise IncompleteRead(f"{self.source} {parts.path}: {error}") from None
        text, asked, sent = answer.body.decode(errors="replace"), dict(answer.headers), dict(headers or {})
        known = self._exchange.handle_errors(answer.status, answer.reason, url, method, asked, text, content, sent, body)
        if answer.status >= 400 and not known:
            self._exchange.handle_http_status_code(answer.status, answer.reason, url, method, text)
            raise IncompleteRead(f"{self.source} {parts.path}: HTTP {answer.status}")
        return content


def csv_of(header: str, pages: Sequence[bytes]) -> bytes:
    """One file of all pages, in their order."""
    return header.encode() + b"\n" + b"".join(pages)


def _whole_page(page: Window, ask: Callable[[int], list[Row]], step: int) -> Sequence[Row]:
    """Every row of a page, asked on from the last one that came: exchanges cut their answers where they like."""
    rows, since = list[Row](), page.start
    for _ in range(PAGE_REQUESTS):
        said = ask(since)
        if any(later <= earlier for (earlier, _), (later, _) in pairwise(said)):
            raise IncompleteRead("its rows repeat or go back in time")
        if said and said[-1][0] < since:
            raise IncompleteRead(f"its rows end at {_iso(said[-1][0])}, before what was asked for ({_iso(since)})")
        more = [row for row in said if since <= row[0] < page.end]
        rows += more
        if not more or more[-1][0] + step >= page.end or more[-1] is not said[-1]:
            return rows
        since = more[-1][0] + step
    raise IncompleteRead(f"a page was not full after {PAGE_REQUESTS} requests")


def _pages(window: Window, seconds: int) -> Iterator[Window]:
    if window.end <= window.start:
        raise SettingsError("--end must come after --start")
    return (Window(start, min(start + seconds, window.end)) for start in range(window.start, window.end, seconds))


def _listed(said: object) -> list[Any]:
    if not isinstance(said, list):
        raise IncompleteRead("the answer is no list of rows")
    return said


def _candle(entry: object, step: int, tail: str) -> Row:
    """Raises IncompleteRead for what no market could have done."""
    if not isinstance(entry, list) or len(entry) != 6:
        raise IncompleteRead("a row is no candle")
    at = _seconds(entry[0])
    figures = [_figure(value) for value in entry[1:]]
    first, high, low, last, volume = figures
    if not 0 < low <= min(first, last) or not max(first, last) <= high or volume < 0:
        raise IncompleteRead(f"the candle of {_iso(at)} has no order: {first}, {high}, {low}, {last}, {volume}")
    if at % step:
        raise IncompleteRead(f"the candle of {_iso(at)} does not begin where one of {step} s does")
    return at, f"{_iso(at)},{','.join(map(repr, figures))},{tail}"


def _rate(entry: object, symbol: str, tail: str) -> Row:
    """Raises IncompleteRead."""
    if not isinstance(entry, Mapping) or entry.get("symbol") != symbol:
        raise IncompleteRead(f"a row is no funding rate of {symbol}")
    at, rate = _seconds(entry.get("timestamp")), _figure(entry.get("fundingRate"))
    if not -1 < rate < 1:
        raise IncompleteRead(f"the funding rate of {_iso(at)} is {rate}: is it in percent?")
    return at, f"{_iso(at)},{rate!r},{tail}"


def _seconds(milliseconds: object) -> int:
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool) or not 10**12 <= milliseconds < 10**13:
        raise IncompleteRead("a row's time is no time in milliseconds")
    return milliseconds // 1000


def _figure(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise IncompleteRead("a row holds a figure that is no number")
    return float(value)


def _iso(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rebased(urls: Any, base: str) -> Any:
    """The same addresses on another host."""
    if isinstance(urls, Mapping):
        return {name: _rebased(url, base) for name, url in urls.items()}
    return _HOST.sub(lambda _: base, urls) if isinstance(urls, str) else urls
