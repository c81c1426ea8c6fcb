"""Candles and funding rates through the real ccxt classes, from loopback exchanges that speak Bitstamp's and Kraken's formats."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.fetch import fetch_candles, fetch_funding
from agent.fetch import cache
from agent.fetch.exchange import History, Window
from agent.fetch.web import Patience
from backtest.importers import klines_hourly, perp_funding
from strategies.errors import EndpointUnusable, IncompleteRead, SettingsError
from tests.agent.fetch.sources import BITSTAMP_MARKET, FIRST, HOUR, Bitstamp, KrakenFutures, ohlc, stamp
from tests.agent.loopback import Answer, Server, only_loopback, said, serving

WINDOW = Window(FIRST, FIRST + 1_200 * HOUR)
PERPETUAL = "BTC/USD:USD"


@pytest.fixture(autouse=True)
def _nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.invalid:3128")
    attempts = only_loopback(monkeypatch)
    yield
    assert attempts == []


def history(name: str, url: str, pauses: list[float] | None = None) -> History:
    patience = Patience(attempts=3, sleep=(list[float]() if pauses is None else pauses).append)
    opened = History(name, timeout_seconds=5, base=url, patience=patience)
    opened._exchange.rateLimit = 1
    return opened


def candles(folder: Path, source: Bitstamp, window: Window = WINDOW, symbol: str = "ETH/USD") -> Server:
    with serving(source) as server:
        fetch_candles(folder, history("bitstamp", server.url), symbol, "1h", window, as_json=True)
    return server


def funding(folder: Path, source: KrakenFutures, window: Window = WINDOW) -> None:
    with serving(source) as server:
        fetch_funding(folder, history("krakenfutures", server.url), PERPETUAL, window, as_json=True)


def csv(folder: Path) -> list[str]:
    (path,) = folder.glob("*_*_*_*_*.csv")
    return path.read_text().splitlines()


def test_every_candle_comes_once_and_in_order(tmp_path: Path) -> None:
    candles(tmp_path, Bitstamp())
    lines = csv(tmp_path)
    assert lines[0] == "timestamp,open,high,low,close,volume,source,asset_pair"
    assert [line.split(",")[0] for line in lines[1:]] == [
        stamp(FIRST + hour * HOUR).replace(".000Z", "Z") for hour in range(1_200)
    ]
    said_first = ohlc(FIRST)
    assert lines[1].split(",")[1:6] == [str(float(said_first[name])) for name in ("open", "high", "low", "close", "volume")]
    assert len(cache.read_manifest(tmp_path)) == 3


@pytest.mark.parametrize("most", [1_000, 100, 37])
def test_an_exchange_that_cuts_its_answers_is_asked_on_from_there(tmp_path: Path, most: int) -> None:
    candles(tmp_path, Bitstamp(most=most))
    assert len(csv(tmp_path)) == 1_201


def test_hours_that_nobody_traded_stay_holes(tmp_path: Path) -> None:
    missing = frozenset({FIRST + 10 * HOUR, FIRST + 11 * HOUR, FIRST + 499 * HOUR})
    candles(tmp_path, Bitstamp(missing=missing))
    assert len(csv(tmp_path)) == 1_201 - 3


def test_the_file_is_read_by_the_importer_of_candles(tmp_path: Path) -> None:
    candles(tmp_path, Bitstamp())
    (path,) = tmp_path.glob("bitstamp_ETHUSD_1h_2023-01-01_2023-02-20.csv")
    series = klines_hourly.read(path, quoted_in="USD")
    assert len(series.value) == 1_200
    assert series.value[0] == float(ohlc(FIRST)["close"])
    assert series.timestamp[0] == FIRST + HOUR, "a close is known when its hour is over"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"high": "1"}, "has no order"),
        ({"close": "-5"}, "has no order"),
        ({"volume": "-1"}, "has no order"),
        ({"open": "nan"}, "no number|no order|could not be read"),
        ({"low": "x"}, "no number|could not be read"),
        ({"timestamp": str(FIRST + 600 * HOUR + 7)}, "does not begin where"),
        ({"timestamp": str(FIRST + 599 * HOUR)}, "repeat or go back"),
    ],
)
def test_a_page_with_a_candle_that_cannot_be_is_refused_and_the_others_are_kept(
    tmp_path: Path, broken: dict[str, str], why: str
) -> None:
    at = FIRST + 600 * HOUR
    with pytest.raises(IncompleteRead, match=why):
        candles(tmp_path, Bitstamp(broken={at: ohlc(at, **broken)}))
    assert len(cache.read_manifest(tmp_path)) == 2
    assert list(tmp_path.glob("bitstamp_*")) == [], "a file with a hole in the middle would look whole"


def test_a_history_that_does_not_go_back_so_far_is_refused_by_its_pages(tmp_path: Path) -> None:
    with pytest.raises(IncompleteRead, match="bitstamp has no candles ETH/USD 1h from 2023-01-21T20:00:00Z"):
        candles(tmp_path, Bitstamp(until=FIRST + 500 * HOUR))
    assert len(cache.read_manifest(tmp_path)) == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(b"<html>are you a robot"), "a web page"),
        (Answer(b'{"data": {"ohlc": ['), "no whole JSON"),
        (Answer(b'{"data": NaN}'), "NaN, which is no number"),
        (said({"status": "error", "reason": "Invalid key k3y", "code": "API0001"}), r"bitstamp refuses \("),
        (said({"data": {"ohlc": [7]}}), "could not be read|no number|no time|no candles"),
        (said({"data": {"ohlc": {}}}), "could not be read|no candles"),
        (said([]), "could not be read|no candles"),
        (Answer(b"null"), "could not be read|no candles"),
    ],
)
def test_a_hostile_answer_is_refused_by_name_and_never_quoted(tmp_path: Path, answer: Answer, why: str) -> None:
    def answering(path: str, body: bytes) -> Answer:
        return answer if "ohlc" in path else said([BITSTAMP_MARKET])

    with serving(answering) as server, pytest.raises(IncompleteRead, match=why) as refused:
        fetch_candles(tmp_path, history("bitstamp", server.url), "ETH/USD", "1h", WINDOW, as_json=True)
    assert "k3y" not in str(refused.value)
    assert cache.read_manifest(tmp_path) == ()


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with serving(Bitstamp()) as elsewhere:
        moved = Answer(b"", status=301, headers=(("location", f"{elsewhere.url}/v2/ohlc"),))
        with serving(lambda *_: moved) as server, pytest.raises(EndpointUnusable, match="sends us elsewhere"):
            fetch_candles(tmp_path, history("bitstamp", server.url), "ETH/USD", "1h", WINDOW, as_json=True)
        assert elsewhere.requests == []


def test_an_exchange_that_asks_for_patience_is_waited_for(tmp_path: Path) -> None:
    source, pauses, busy = Bitstamp(), list[float](), iter([True])

    def answering(path: str, body: bytes) -> Answer:
        if "ohlc" in path and next(busy, False):
            return Answer(b"", status=429, headers=(("retry-after", "7"),))
        return source(path, body)

    with serving(answering) as server:
        fetch_candles(tmp_path, history("bitstamp", server.url, pauses), "ETH/USD", "1h", WINDOW, as_json=True)
    assert pauses == [7.0]
    assert len(csv(tmp_path)) == 1_201


def test_what_came_is_not_asked_for_again(tmp_path: Path) -> None:
    with serving(Bitstamp()) as server:
        for _ in range(2):
            fetch_candles(tmp_path, history("bitstamp", server.url), "ETH/USD", "1h", WINDOW, as_json=True)
        assert len([path for path, _ in server.requests if "ohlc" in path]) == 3


def test_funding_rates_are_read_by_the_importer_of_funding(tmp_path: Path) -> None:
    funding(tmp_path, KrakenFutures(hours=24 * 60))
    (path,) = tmp_path.glob("krakenfutures_BTCUSD_funding_rates_2023-01-01_2023-02-20.csv")
    assert path.read_text().splitlines()[1] == "2023-01-01T00:00:00Z,1.25e-05,PF_XBTUSD,krakenfutures"
    series = perp_funding.read(path)
    assert len(series.value) == 1_200
    assert series.value[0] == 0.0000125


@pytest.mark.parametrize("rate", ["1.5", "-1", "many"])
def test_a_funding_rate_that_is_none_is_refused(tmp_path: Path, rate: str) -> None:
    with pytest.raises(IncompleteRead, match=r"in percent|no number"):
        funding(tmp_path, KrakenFutures(rate=rate))


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe", "window", "why"),
    [
        ("bitstmp", "ETH/USD", "1h", WINDOW, "ccxt knows no exchange 'bitstmp'"),
        ("bitstamp", "ETH/XYZ", "1h", WINDOW, "lists no 'ETH/XYZ'"),
        ("bitstamp", "ETH/USD", "7h", WINDOW, "no candles of '7h'"),
        ("bitstamp", "ETH/USD", "1h", Window(FIRST + 1, FIRST + HOUR), "whole candles of 1h"),
        ("bitstamp", "ETH/USD", "1h", Window(FIRST, FIRST), "must come after"),
        ("bitstamp", "ETH/USD", "1h", Window(FIRST, 4_102_444_800), "not closed"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(
    tmp_path: Path, name: str, symbol: str, timeframe: str, window: Window, why: str
) -> None:
    with serving(Bitstamp()) as server, pytest.raises(SettingsError, match=why):
        fetch_candles(tmp_path, history(name, server.url), symbol, timeframe, window, as_json=True)


def test_an_exchange_without_funding_rates_is_refused(tmp_path: Path) -> None:
    with serving(Bitstamp()) as server, pytest.raises(SettingsError, match="does not give funding"):
        fetch_funding(tmp_path, history("kraken", server.url), "ETH/USD", WINDOW, as_json=True)
    assert server.requests == []


def test_a_program_is_told_where_the_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    candles(tmp_path, Bitstamp())
    told = json.loads(capsys.readouterr().out)
    assert Path(told["file"]).name == "bitstamp_ETHUSD_1h_2023-01-01_2023-02-20.csv"
    assert (told["kept"], told["fetched"], told["refused"]) == (3, 3, [])
