"""Exchange prices against a loopback exchange that speaks Bitstamp's public format to the real ccxt class."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.prices import (
    Exchange,
    PriceSettings,
    Quoted,
    apart,
    confirmed,
    cross_check,
    open_exchange,
    open_exchanges,
    quotes,
    witness,
)
from strategies.domain import Asset, Quote
from strategies.errors import SettingsError
from strategies.tape import Reading
from tests.agent.loopback import Answer, Server, only_loopback, said, serving

NOW = 1_700_000_000
WETH = Asset(1, "0x" + "ee" * 20, "WETH", 18)
USDC = Asset(1, "0x" + "aa" * 20, "USDC", 6)
DAI = Asset(1, "0x" + "da" * 20, "DAI", 18)
ASSETS = (WETH, USDC, DAI)
PAIRS = [
    {
        "name": f"{base}/USD",
        "market_symbol": f"{base.lower()}usd",
        "base_currency": base,
        "base_decimals": 8,
        "counter_currency": "USD",
        "counter_decimals": 5,
        "minimum_order_value": "10",
        "trading": "Enabled",
        "instant_order_counter_decimals": 5,
        "instant_and_market_orders": "Enabled",
        "description": f"{base} / U.S. dollar",
        "market_type": "SPOT",
    }
    for base in ("ETH", "USDC")
]
ETH = {"pair": "ETH/USD", "timestamp": str(NOW - 5), "last": "3001.4", "bid": "3001.23", "ask": "3001.45"}
COIN = {"pair": "USDC/USD", "timestamp": str(NOW - 5), "last": "0.9999", "bid": "0.99991", "ask": "0.99993"}


def settings(**changed: object) -> PriceSettings:
    content: dict[str, object] = {
        "exchanges": ["bitstamp"],
        "symbols": {"WETH": "ETH/USD", "USDC": "USDC/USD"},
        "max_deviation_bps": 100,
        "max_age_seconds": 60,
        "timeout_seconds": 5,
    }
    return PriceSettings.model_validate(content | changed)


def exchange_at(url: str, timeout_seconds: int = 5) -> Exchange:
    """The real ccxt class, its address changed."""
    exchange = open_exchange("bitstamp", timeout_seconds)
    exchange.urls["api"] = {"public": url, "private": url}  # type: ignore[attr-defined]
    return exchange


def asked(tickers: Answer, markets: Answer | None = None, **changed: object) -> tuple[Quoted, Server]:
    """What is quoted where the exchange answers so."""

    def answer(path: str, body: bytes) -> Answer:
        return tickers if path.startswith("/v2/ticker") else (markets or said(PAIRS))

    with serving(answer) as server:
        return quotes(settings(**changed), [exchange_at(server.url)], ASSETS, NOW), server


@pytest.fixture(autouse=True)
def _nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.invalid:3128")
    attempts = only_loopback(monkeypatch)
    yield
    assert attempts == []


def test_the_middle_of_bid_and_ask_is_quoted_to_the_unit() -> None:
    found, server = asked(said([ETH, COIN]))
    assert found.quotes == (
        Quote(WETH, 3001_34000000, "bitstamp", NOW - 5),
        Quote(USDC, 99_992_000, "bitstamp", NOW - 5),
    )
    assert found.refused == ()
    assert len([path for path, _ in server.requests if "ticker" in path]) == 1


def test_markets_are_loaded_once() -> None:
    with serving(lambda path, body: said([ETH, COIN] if "ticker" in path else PAIRS)) as server:
        exchange = exchange_at(server.url)
        for _ in range(2):
            quotes(settings(), [exchange], ASSETS, NOW)
    assert [path for path, _ in server.requests if "ticker" not in path][1:] == []


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"timestamp": str(NOW - 61)}, "61 s old; at most 60 s"),
        ({"timestamp": str(NOW + 61)}, "61 s in the future"),
        ({"timestamp": None}, "does not say when"),
        ({"timestamp": "yesterday"}, "does not say when"),
        ({"bid": "NaN"}, "no positive number"),
        ({"ask": "Infinity"}, "no positive number"),
        ({"bid": "-3000"}, "no positive number"),
        ({"bid": "0"}, "no bid and ask"),
        ({"bid": "0", "ask": "0"}, "no bid and ask"),
        ({"bid": "1e300", "ask": "1e300"}, "no positive number"),
        ({"bid": "0.000000001", "ask": "0.000000001"}, "no positive number"),
        ({"bid": None}, "no bid and ask"),
        ({"bid": None, "ask": None}, "no bid and ask"),
        ({"bid": "3002", "ask": "3001"}, "above its ask"),
        ({"bid": "2900", "ask": "3001"}, "more than 100 bps apart"),
        ({"pair": "BTC/USD"}, "gives no price of ETH/USD"),
    ],
)
def test_an_impossible_ticker_is_refused_and_the_other_stands(changed: dict[str, object], because: str) -> None:
    found, _ = asked(said([ETH | changed, COIN]))
    assert [quote.asset for quote in found.quotes] == [USDC]
    ((symbol, reason),) = found.refused
    assert symbol == "WETH"
    assert reason.startswith("bitstamp: ")
    assert because in reason


@pytest.mark.parametrize(
    "changed",
    [{"timestamp": str(NOW - 60)}, {"timestamp": str(NOW + 60)}, {"last": None}, {"bid": "3000", "ask": "3000"}],
)
def test_a_ticker_at_its_limit_is_quoted(changed: dict[str, object]) -> None:
    found, _ = asked(said([ETH | changed, COIN]))
    assert [quote.asset for quote in found.quotes] == [WETH, USDC]
    assert found.refused == ()


def test_what_is_not_listed_is_refused_by_name_and_never_asked_for() -> None:
    symbols = {"WETH": "ETH/USD", "DAI": "DAI/USD"}
    found, _ = asked(said([ETH, COIN]), symbols=symbols)
    assert [quote.asset for quote in found.quotes] == [WETH]
    assert found.refused == (("DAI", "bitstamp: gives no price of DAI/USD"),)


def test_an_asset_without_a_symbol_is_not_asked_about() -> None:
    found, _ = asked(said([ETH, COIN]), symbols={"WETH": "ETH/USD"})
    assert found == Quoted((Quote(WETH, 3001_34000000, "bitstamp", NOW - 5),), ())


@pytest.mark.parametrize(
    ("tickers", "because"),
    [
        (Answer(b"{nonsense"), "could not be read"),
        (Answer(b"<html>maintenance</html>", headers=(("content-type", "text/html"),)), "could not be read"),
        (Answer(b"[" * 100_000), ""),
        (said(None), ""),
        (said(["ETH"]), ""),
        (said([None]), ""),
        (said({"error": "the key is sk-secret"}), ""),
        (Answer(b'{"reason": "sk-secret"}', status=500), "no prices ("),
        (Answer(b'{"reason": "sk-secret"}', status=429), "no prices ("),
        (Answer(b"", status=302, headers=(("location", "http://127.0.0.1:1/"),)), "no prices ("),
        (Answer(b"\xff\xfe", headers=(("content-type", "application/json"),)), ""),
    ],
)
def test_an_exchange_that_answers_badly_is_refused_by_name(tickers: Answer, because: str) -> None:
    found, _ = asked(tickers)
    assert found.quotes == ()
    assert [symbol for symbol, _ in found.refused] == ["WETH", "USDC"]
    for _, reason in found.refused:
        assert reason.startswith("bitstamp: ")
        assert because in reason
        assert "sk-secret" not in reason


@pytest.mark.parametrize("markets", [Answer(b"{nonsense"), said({}), said([None]), Answer(b"", status=503)])
def test_an_exchange_whose_markets_cannot_be_read_is_refused_by_name(markets: Answer) -> None:
    found, _ = asked(said([ETH, COIN]), markets)
    assert found.quotes == ()
    assert [symbol for symbol, _ in found.refused] == ["WETH", "USDC"]


@dataclass(frozen=True)
class Written:
    """An exchange class whose tickers are these."""

    tickers: Any
    id: str = "written"

    def load_markets(self) -> Mapping[str, Any]:
        return {"ETH/USD": {}}

    def fetch_tickers(self, symbols: list[str]) -> Any:
        return self.tickers


@pytest.mark.parametrize(
    ("tickers", "because"),
    [
        ({"ETH/USD": {"timestamp": NOW * 1000, "bid": "3000", "ask": 3000.0}}, "no positive number"),
        ({"ETH/USD": {"timestamp": NOW * 1000, "bid": True, "ask": True}}, "no positive number"),
        ({"ETH/USD": {"timestamp": True, "bid": 1.0, "ask": 1.0}}, "does not say when"),
        ({"ETH/USD": "3000"}, "gives no price"),
        (["ETH/USD"], "no table"),
    ],
)
def test_figures_of_another_type_are_refused(tickers: Any, because: str) -> None:
    found = quotes(settings(), [Written(tickers)], [WETH], NOW)
    assert found.quotes == ()
    assert because in found.refused[0][1]


@given(st.integers(1, 10**15 - 1))
def test_a_price_of_up_to_fifteen_digits_survives_the_float_to_the_unit(usd_e8: int) -> None:
    figure = float(Decimal(usd_e8) / 10**8)
    ticker = {"timestamp": NOW * 1000, "bid": figure, "ask": figure}
    assert quotes(settings(), [Written({"ETH/USD": ticker})], [WETH], NOW).quotes[0].usd_e8 == usd_e8


def test_a_silent_exchange_is_given_up_and_the_other_one_still_counts() -> None:
    over = threading.Event()
    silent = serving(lambda path, body: Answer(b"", silent_until=over))
    with silent as one, serving(lambda path, body: said([ETH] if "ticker" in path else PAIRS)) as two:
        try:
            pair = [exchange_at(one.url, timeout_seconds=1), exchange_at(two.url)]
            found = quotes(settings(symbols={"WETH": "ETH/USD"}), pair, ASSETS, NOW)
        finally:
            over.set()
    assert [quote.usd_e8 for quote in found.quotes] == [3001_34000000]
    assert found.refused == (("WETH", "bitstamp: no prices (RequestTimeout)"),)


def test_no_exchange_is_no_quote_and_no_refusal() -> None:
    assert quotes(settings(exchanges=[]), open_exchanges(settings(exchanges=[])), ASSETS, NOW) == Quoted((), ())


def test_an_unknown_exchange_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="ccxt knows no exchange 'bitstmp'"):
        open_exchanges(settings(exchanges=["bitstmp"]))


def test_an_exchange_without_the_request_stops_the_start() -> None:
    import ccxt

    lacking = next(name for name in ccxt.exchanges if not getattr(ccxt, name)().has["fetchTickers"])
    with pytest.raises(SettingsError, match="several prices in one request"):
        open_exchange(lacking, 5)


@pytest.mark.parametrize("symbol", ["ETH/USDT", "ETH/USD:USD", "ETH", "eth/usd"])
def test_a_symbol_that_is_not_in_dollars_is_refused(symbol: str) -> None:
    with pytest.raises(ValidationError):
        settings(symbols={"WETH": symbol})


def quote(asset: Asset, usd_e8: int, source: str) -> Quote:
    return Quote(asset, usd_e8, source, NOW)


def test_witnesses_that_agree_are_accepted_as_they_are() -> None:
    ours = (quote(WETH, 3000, "one"), quote(WETH, 3030, "two"))
    assert cross_check(ours, {WETH: 3015}, 100) == Quoted(ours, ())


@pytest.mark.parametrize(
    ("prices", "oracle", "named"),
    [
        ((3000, 3031), {}, "one against two"),
        ((3000,), {WETH: 3031}, "one against oracle"),
        ((3000, 3000), {WETH: 2000}, "one against oracle"),
        ((3000,), {WETH: 0}, "one against oracle"),
        ((3000,), {}, "only one gives a price"),
    ],
)
def test_witnesses_that_disagree_or_stand_alone_quarantine_the_asset_alone(
    prices: tuple[int, ...], oracle: dict[Asset, int], named: str
) -> None:
    ours = tuple(quote(WETH, price, source) for price, source in zip(prices, ("one", "two"), strict=False))
    coins = (quote(USDC, 100, "one"), quote(USDC, 100, "two"))
    found = cross_check((*ours, *coins), oracle, 100)
    assert found.quotes == coins
    ((symbol, reason),) = found.refused
    assert symbol == "WETH"
    assert named in reason


@given(st.integers(1, 10**15), st.integers(1, 10**15), st.integers(0, 10_000))
def test_a_deviation_is_measured_from_the_lower_price_without_rounding(one: int, other: int, limit_bps: int) -> None:
    low, high = sorted((one, other))
    assert apart(one, other, limit_bps) == apart(other, one, limit_bps) == (Decimal(high - low) / low * 10_000 > limit_bps)


@given(st.lists(st.tuples(st.sampled_from(ASSETS), st.integers(1, 10**6), st.sampled_from(("one", "two", "three")))))
def test_every_asset_is_either_accepted_whole_or_refused_once(said_: list[tuple[Asset, int, str]]) -> None:
    ours = [quote(asset, price, source) for asset, price, source in said_]
    found = cross_check(ours, {}, 50)
    taken = {accepted.asset.symbol for accepted in found.quotes}
    refused = [symbol for symbol, _ in found.refused]
    assert taken.isdisjoint(refused)
    assert sorted(taken | set(refused)) == sorted({ours_.asset.symbol for ours_ in ours})
    assert len(refused) == len(set(refused))
    assert all(accepted in ours for accepted in found.quotes)


def test_an_oracle_price_stands_where_an_exchange_confirms_it() -> None:
    oracle = (quote(WETH, 3000, "oracle"), quote(DAI, 100, "oracle"))
    found = confirmed(settings(), oracle, Quoted((quote(WETH, 3010, "one"),), ()), (WETH, DAI))
    assert found == Quoted(oracle, ())


def test_an_oracle_price_that_no_exchange_confirms_is_no_price() -> None:
    oracle = (quote(WETH, 3000, "oracle"), quote(DAI, 100, "oracle"))
    found = confirmed(settings(), oracle, Quoted((), (("WETH", "one: late"),)), ASSETS[:1] + ASSETS[2:])
    assert found == Quoted(oracle[1:], (("WETH", "one: late"), ("WETH", "no exchange confirms its price")))


def test_an_oracle_price_apart_from_the_exchange_is_no_price() -> None:
    found = confirmed(settings(), (quote(WETH, 3000, "oracle"),), Quoted((quote(WETH, 2000, "one"),), ()), (WETH,))
    assert found.quotes == ()
    assert len(found.refused) == 1


def test_two_exchanges_price_what_has_no_oracle() -> None:
    ours = (quote(WETH, 3000, "one"), quote(WETH, 3001, "two"))
    assert confirmed(settings(), (), Quoted(ours, ()), (WETH,)) == Quoted(ours[:1], ())


def test_oracle_prices_stand_where_no_exchange_is_asked() -> None:
    oracle = (quote(WETH, 3000, "oracle"),)
    assert confirmed(settings(exchanges=[]), oracle, Quoted((), ()), ASSETS) == Quoted(oracle, ())


def test_a_reading_is_held_against_the_exchange() -> None:
    oracle = (quote(WETH, 3001_00000000, "oracle"), quote(USDC, 110_000_000, "oracle"))
    reading = Reading(1, "0x", NOW, 1, (), oracle)
    with serving(lambda path, body: said([ETH, COIN] if "ticker" in path else PAIRS)) as server:
        look = witness(settings(), [exchange_at(server.url)], ASSETS, lambda: NOW)
        kept, refused = look(reading)
    assert kept == oracle[:1]
    assert [symbol for symbol, _ in refused] == ["USDC"]
