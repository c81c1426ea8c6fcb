"""Several processes over one store, one key and one chain, with nothing but the store between them: no limit is passed together
that none may pass alone, no nonce is used twice, and one yes is one execution."""

import json
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import pytest

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.devnet.contracts import read_integer
from strategies.units import SECONDS_PER_DAY, USD_E8, WAD
from tests.racing import (
    STORE,
    Ground,
    Wanted,
    all_at_once,
    endings,
    opened,
    plan_of,
    raced,
    receipts,
    replayer,
    settled,
    transactions,
)
from tests.wallets.live_parts import ACCOUNT
from wallets import wire
from wallets.deployments import KEYS
from wallets.live import LiveWallet
from wallets.store import Spent, Store
from wallets.wallet import Approved

pytestmark = [pytest.mark.chain, pytest.mark.slow]
PLACES: Final = ("aave-core:USDC", "aave-prime:USDC", "aave-new:USDC", "comet:USDC")
SWAP: Final = "swap:USDC/WETH-500"
MARKETS: Final = (*PLACES, "aave-core:WETH", SWAP)
CASH_RAW: Final = 200_000 * 10**6
CAP: Final = 10_000
LIMITS: Final[dict[str, Any]] = {"max_day_usd": CAP, "max_transaction_usd": 5_000}
HOUR: Final = 3_600


@pytest.fixture
def devnet() -> Iterator[Devnet]:
    with Devnet.start() as running:
        scenes.fund(running, ACCOUNT, usdc_raw=CASH_RAW, ether_wei=100 * WAD)
        yield running


def ground_of(devnet: Devnet, folder: Path, **limits: Any) -> Ground:
    """The chain's markets and a store that is there before anybody races for it."""
    file = {key: value for key, value in devnet.everything.items() if key in KEYS}
    file["markets"] = [market for market in file["markets"] if market["id"] in MARKETS]
    Store(folder / STORE).close()
    return Ground(devnet.url, file, folder, limits)


def supplies(processes: int, *, whole: int, rounds: int, name: str = "") -> list[list[Wanted]]:
    """Every process lends into a market of its own, so that only what they share is in the way."""
    return [[Wanted(f"{name}p{one}-{at}", PLACES[one], whole) for at in range(rounds)] for one in range(processes)]


def gone_usd_e8(devnet: Devnet) -> int:
    """What has left the account by the token's own word; USDC is at a dollar here."""
    left_raw = read_integer(devnet.node, devnet.token("USDC"), "balanceOf(address)", ACCOUNT)
    return (CASH_RAW - left_raw) * 100


def booked_usd_e8(ground: Ground) -> int:
    """The same by the receipts in the store."""
    return sum([moved.raw for receipt in receipts(ground) for moved in receipt.transfers]) * 100


def spent(ground: Ground, devnet: Devnet) -> Spent:
    with Store(ground.folder / STORE) as store:
        return store.spent(devnet.node.latest()[1])


def lines(ground: Ground, kind: str) -> list[dict[str, Any]]:
    """What the journal has of one kind."""
    with Store(ground.folder / STORE) as store:
        return [line for line in map(json.loads, store.lines()) if line["kind"] == kind]


def assert_every_nonce_is_known_and_used_once(ground: Ground, devnet: Devnet) -> None:
    kept = [signed.nonce for signed in transactions(ground) if signed.state != "dropped"]
    mined = int(devnet.node.rpc("eth_getTransactionCount", ACCOUNT, "latest"), 16)
    assert sorted(kept) == list(range(mined))


# What holds it: `_begin` in wallets/live.py judges the books again inside of the transaction that reserves, `reserve` in
# wallets/store.py compares with the cap, and `_rejudged` asks once more before each signature. With any one of the three the cap
# holds; with none this and the next test fail.
@pytest.mark.parametrize("skews_seconds", [(0, 0), (0, 0, 0, 0), (-10, 100)], ids=["two", "four", "two with clocks apart"])
def test_a_days_cap_holds_however_many_race_for_it(devnet: Devnet, tmp_path: Path, skews_seconds: Sequence[int]) -> None:
    ground = ground_of(devnet, tmp_path, **LIMITS)
    said = raced(ground, supplies(len(skews_seconds), whole=2_000, rounds=4), skews_seconds)
    settled(ground)
    assert 0 < gone_usd_e8(devnet) <= CAP * USD_E8, said
    assert spent(ground, devnet).usd_e8 == gone_usd_e8(devnet), said
    assert booked_usd_e8(ground) == gone_usd_e8(devnet), said
    assert endings(said)["mined"] < len(said), said
    assert_every_nonce_is_known_and_used_once(ground, devnet)


def test_a_day_ends_after_24_hours_and_no_sooner_for_whoever_looks(devnet: Devnet, tmp_path: Path) -> None:
    ground, ahead_seconds = ground_of(devnet, tmp_path, **LIMITS), 100
    for name, seconds in (("a", 0), ("b", SECONDS_PER_DAY - HOUR), ("c", 2 * HOUR)):
        if seconds:
            scenes.pass_time(devnet, seconds)
        raced(ground, supplies(2, whole=2_000, rounds=3, name=name), (0, ahead_seconds))
        settled(ground)
    moved = sorted(
        [(one.transactions[-1].timestamp, sum([raw.raw for raw in one.transfers])) for one in receipts(ground) if one.transfers]
    )
    assert len({at // HOUR for at, _ in moved}) >= 2, "the second day lent too"
    for since, _ in moved:
        window = [raw for at, raw in moved if since <= at < since + SECONDS_PER_DAY - ahead_seconds]
        assert max(accumulate(window)) <= CAP * 10**6, moved
    assert_every_nonce_is_known_and_used_once(ground, devnet)


# These limits are judged, and nothing else counts them: without the judgement inside of the transaction of `_begin` and the one
# of `_rejudged`, processes that judged at the same moment begin them all.
def test_no_more_plans_an_hour_are_begun_than_may_be(devnet: Devnet, tmp_path: Path) -> None:
    ground = ground_of(devnet, tmp_path, pace={"max_plans_hour": 3})
    said = raced(ground, supplies(2, whole=100, rounds=4), (0, 0))
    settled(ground)
    with opened(ground) as parts:
        moves = parts.store.moves(parts.endpoint.now())
    assert 1 <= len({move.intent for move in moves}) <= 3, said
    assert 0 < gone_usd_e8(devnet) <= 300 * USD_E8, said
    assert endings(said)["pace"] >= 1, said


def test_no_more_is_lost_in_a_day_than_may_be(devnet: Devnet, tmp_path: Path) -> None:
    tables = {"exchange": {"max_slippage_bps": 100, "max_loss_day_bps": 100}}
    ground = ground_of(devnet, tmp_path, price_sources=("oracle", "exchange"), **tables)
    least_wei = WAD * 992 // 10_000  # 80 bps below the oracles
    said = raced(ground, [[Wanted(f"p{one}-{at}", SWAP, 300, least_wei) for at in range(2)] for one in range(2)], (0, 0))
    settled(ground)
    with opened(ground) as parts:
        lost_e8 = [move.loss_e8 for move in parts.store.moves(parts.endpoint.now())]
    assert lost_e8 == [80 * 10_000], said
    assert gone_usd_e8(devnet) == 300 * USD_E8, said
    assert endings(said)["loss"] >= 1, said
    assert len(lines(ground, "execute")) == 1, said


# `use_approval` and `claim` decide who begins; the unique indices of wallets/schema.py decide whose bytes are kept.
def test_one_yes_given_three_times_by_two_processes_at_once_is_one_execution(devnet: Devnet, tmp_path: Path) -> None:
    ground = ground_of(devnet, tmp_path)
    with opened(ground) as parts:
        wanted = plan_of(Wanted("one", PLACES[0], 1_000), parts.deployment, parts.endpoint)
        approved = LiveWallet(parts).judge(wanted, "one")
    assert isinstance(approved, Approved)
    said = all_at_once(replayer, [(ground, wire.to_text(approved), 3)] * 2, 6)
    assert gone_usd_e8(devnet) == 1_000 * USD_E8, said
    assert endings(said)["mined"] >= 1, said
    assert [line["content"]["call"] for line in lines(ground, "signed")] == [0, 1], said
    assert len(lines(ground, "execute")) == 1
    assert len(transactions(ground)) == 2
    assert_every_nonce_is_known_and_used_once(ground, devnet)
