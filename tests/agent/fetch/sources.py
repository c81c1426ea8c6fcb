"""Public sources as they answer, made here: DefiLlama's lists and charts, and exchanges that the real ccxt classes read."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from tests.agent.loopback import Answer, said

DAY = 86_400
HOUR = 3_600
FIRST = 1_672_531_200  # 2023-01-01


def pool_id(number: int) -> str:
    return str(uuid.UUID(int=number + 10**20))


def stamp(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def pool(number: int, **changes: object) -> dict[str, object]:
    """An entry of the list."""
    entry: dict[str, object] = {
        "chain": "Ethereum",
        "project": "aave-v3",
        "symbol": "USDC",
        "tvlUsd": 1_000_000 + number,
        "apyBase": 3.1,
        "apyReward": None,
        "apy": 3.1,
        "pool": pool_id(number),
        "stablecoin": True,
        "underlyingTokens": ["0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"],
        "count": 30,
    }
    return entry | changes


def chart(number: int, days: int = 30, **changes: object) -> list[dict[str, object]]:
    """A pool's days; `changes` are of the last one."""
    rows: list[dict[str, object]] = [
        {
            "timestamp": stamp(FIRST + day * DAY + 84_000),
            "tvlUsd": 1_000_000 + number,
            "apy": 3.0 + day / 100,
            "apyBase": 3.0 + day / 100,
            "apyReward": None,
            "il7d": None,
            "apyBase7d": None,
        }
        for day in range(days)
    ]
    rows[-1] |= changes
    return rows


def success(data: object) -> Answer:
    return said({"status": "success", "data": data})


@dataclass
class Llama:
    """The yields API with some pools; `instead` answers a path otherwise."""

    pools: int = 4
    instead: dict[str, Answer] = field(default_factory=dict)

    def __call__(self, path: str, _: bytes) -> Answer:
        path = urlsplit(path).path
        if path in self.instead:
            return self.instead[path]
        if path == "/pools":
            return success([pool(number) for number in range(self.pools)])
        number = next((n for n in range(self.pools) if path == f"/chart/{pool_id(n)}"), None)
        return Answer(b"Not Found", status=404) if number is None else success(chart(number))


BITSTAMP_MARKET = {
    "name": "ETH/USD",
    "market_symbol": "ethusd",
    "base_currency": "ETH",
    "base_decimals": 8,
    "counter_currency": "USD",
    "counter_decimals": 5,
    "minimum_order_value": "10",
    "trading": "Enabled",
    "instant_order_counter_decimals": 5,
    "instant_and_market_orders": "Enabled",
    "description": "Ether / U.S. dollar",
    "market_type": "SPOT",
}


def ohlc(at: int, **changes: str) -> dict[str, str]:
    """One candle as Bitstamp writes it."""
    price = 1_200 + at // HOUR % 50
    figures = {"open": f"{price}.5", "high": f"{price + 3}.25", "low": f"{price - 2}", "close": f"{price + 1}.0625"}
    return {"timestamp": str(at), "volume": "12.5", **figures, **changes}


@dataclass
class Bitstamp:
    """Hourly candles for as long as `until`; `most` of them in one answer; `broken` stands in one candle's place."""

    until: int = FIRST + 10_000 * HOUR
    most: int = 1_000
    broken: dict[int, dict[str, str]] = field(default_factory=dict)
    missing: frozenset[int] = frozenset()

    def __call__(self, path: str, _: bytes) -> Answer:
        parts = urlsplit(path)
        if "ohlc" not in parts.path:
            return said([BITSTAMP_MARKET])
        asked = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
        stop = min(asked["end"] + 1, self.until)
        times = [at for at in range(asked["start"], stop, asked["step"]) if at not in self.missing]
        rows = [self.broken.get(at, ohlc(at)) for at in times[: min(self.most, asked["limit"])]]
        return said({"data": {"pair": "ETH/USD", "ohlc": rows}})


KRAKEN_MARKET = {
    "symbol": "PF_XBTUSD",
    "type": "flexible_futures",
    "tickSize": 0.5,
    "contractSize": 1,
    "tradeable": True,
    "contractValueTradePrecision": 4,
}


@dataclass
class KrakenFutures:
    """Hourly funding rates, all in one answer, as Kraken gives them."""

    hours: int = 24 * 40
    rate: str = "0.0000125"

    def __call__(self, path: str, _: bytes) -> Answer:
        if "instruments" in path:
            return said({"result": "success", "instruments": [KRAKEN_MARKET]})
        if "historicalfundingrates" not in path and "historical-funding-rates" not in path:
            return Answer(json.dumps({"result": "error", "error": "apiLimitExceeded"}).encode(), status=404)
        rates = [
            {"timestamp": stamp(FIRST + hour * HOUR), "fundingRate": "0.25", "relativeFundingRate": self.rate}
            for hour in range(self.hours)
        ]
        return said({"result": "success", "rates": rates})
