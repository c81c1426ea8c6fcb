"""The store: private, durable, one winner of every race, and nothing spent is forgotten."""

import multiprocessing
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.errors import StoreUnwritable
from strategies.units import SECONDS_PER_DAY
from wallets.store import Line, Signed, Spent, Store

DAY = SECONDS_PER_DAY
NOW = 1_700_000_000
CAP = 100
RACERS = 2
ROUNDS = 40


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "keeper.sqlite") as opened:
        yield opened


def planned(store: Store, intent: str = "plan-1") -> None:
    assert store.add_intent(intent=intent, digest="d", calls="[]", verdict="{}", created_at=NOW, expiry=NOW + 900)


def reserve(store: Store, intent: str, usd: int, *, now: int = NOW, gas: int = 1) -> bool:
    return store.reserve(intent=intent, usd_e8=usd, gas_usd_e8=gas, now=now, max_day_usd_e8=CAP, max_day_gas_usd_e8=10)


def signed(transaction_hash: str, intent: str = "plan-1", *, call: int = 0, attempt: int = 0, nonce: int = 7) -> Signed:
    return Signed(transaction_hash, intent, call, attempt, nonce, b"\x02raw", NOW, "signed")


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keeper.sqlite"
    with Store(path) as store:
        store.set_flag("x", "y")
        for found in tmp_path.iterdir():
            assert stat.S_IMODE(found.stat().st_mode) == 0o600, found.name


def test_refuses_a_file_that_others_may_read(tmp_path: Path) -> None:
    path = tmp_path / "keeper.sqlite"
    Store(path).close()
    path.chmod(0o644)
    with pytest.raises(StoreUnwritable, match="chmod 600"):
        Store(path)


def test_refuses_another_version_another_format_and_a_missing_folder(tmp_path: Path) -> None:
    path = tmp_path / "keeper.sqlite"
    Store(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(StoreUnwritable, match="version 9"):
        Store(path)
    path.write_bytes(b"not a database, whatever its name says" * 40)
    with pytest.raises(StoreUnwritable):
        Store(path)
    with pytest.raises(StoreUnwritable):
        Store(tmp_path / "nowhere" / "keeper.sqlite")


def test_it_is_synchronised_in_full_and_written_ahead(store: Store, tmp_path: Path) -> None:
    assert store._one("PRAGMA synchronous") == (2,)
    assert store._one("PRAGMA journal_mode") == ("wal",)


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        planned(store)
        store.add_signed(signed("0x1"))
        store.put_receipt("plan-1", "receipt")
    with Store(tmp_path / "s.sqlite") as store:
        found = store.intent("plan-1")
        assert found is not None
        assert (found.state, found.receipt) == ("planned", "receipt")
        assert store.signed("plan-1") == (signed("0x1"),)
        assert store.intents("planned") == (found,)
        assert store.intent("plan-2") is None


def test_an_intent_is_known_once(store: Store) -> None:
    planned(store)
    assert not store.add_intent(intent="plan-1", digest="e", calls="", verdict="", created_at=1, expiry=1)


def test_a_claim_succeeds_once_and_from_its_state_only(store: Store) -> None:
    planned(store)
    assert not store.claim("plan-1", "signed", "sent")
    assert store.claim("plan-1", "planned", "signed")
    assert not store.claim("plan-1", "planned", "signed")
    with pytest.raises(StoreUnwritable):
        store.claim("plan-1", "signed", "whatever")


def race(path: Path, number: int, begin: "multiprocessing.synchronize.Barrier", won: "multiprocessing.Queue[str]") -> None:
    with Store(path) as store:
        for at in range(ROUNDS):
            begin.wait()
            if store.claim(f"plan-{at}", "planned", "signed"):
                won.put(f"claim-{at}")
            if reserve(store, f"{number}-{at}", 7, gas=0):
                won.put("reserve")


def test_two_processes_that_race_have_one_winner_and_never_pass_the_cap(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path, begin, won = tmp_path / "s.sqlite", context.Barrier(RACERS), context.Queue()
    with Store(path) as store:
        for at in range(ROUNDS):
            planned(store, f"plan-{at}")
        racers = [context.Process(target=race, args=(path, number, begin, won)) for number in range(RACERS)]
        for racer in racers:
            racer.start()
        wins = sorted(won.get(timeout=60) for _ in range(ROUNDS + CAP // 7))
        for racer in racers:
            racer.join(timeout=60)
            assert racer.exitcode == 0
        assert won.empty()
        assert wins == sorted([f"claim-{at}" for at in range(ROUNDS)] + ["reserve"] * (CAP // 7))
        assert store.spent(NOW).usd_e8 == CAP // 7 * 7


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    with pytest.raises(KeyError), store.transaction():
        planned(store)
        raise KeyError("crash")
    assert store.intent("plan-1") is None
    with store.transaction(), store.transaction():
        planned(store)
    assert store.intent("plan-1") is not None


def test_two_calls_never_share_a_nonce_and_a_bump_may(store: Store) -> None:
    planned(store)
    planned(store, "plan-2")
    store.add_signed(signed("0x1"))
    with pytest.raises(StoreUnwritable):
        store.add_signed(signed("0x2", "plan-2"))
    with pytest.raises(StoreUnwritable):
        store.add_signed(signed("0x3", call=1))
    store.add_signed(signed("0x4", attempt=1))
    assert [one.hash for one in store.signed("plan-1")] == ["0x1", "0x4"]
    assert store.next_nonce() == 8


def test_a_dropped_transaction_gives_its_nonce_back(store: Store) -> None:
    planned(store)
    planned(store, "plan-2")
    assert store.next_nonce() is None
    store.add_signed(signed("0x1"))
    assert store.claim_signed("0x1", "signed", "dropped")
    assert not store.claim_signed("0x1", "signed", "sent")
    assert store.next_nonce() is None
    store.add_signed(signed("0x2", "plan-2"))


def test_a_transaction_needs_its_intent(store: Store) -> None:
    with pytest.raises(StoreUnwritable):
        store.add_signed(signed("0x1"))


def test_what_is_pending_counts_and_what_was_released_does_not(store: Store) -> None:
    assert reserve(store, "a", 60)
    assert not reserve(store, "b", 41)
    assert reserve(store, "b", 40)
    assert not reserve(store, "b", 0)
    assert store.reserved("a") == Spent(60, 1)
    assert store.reserved("nobody") == Spent(0, 0)
    assert store.release_reservation("a")
    assert not store.release_reservation("a")
    assert store.spent(NOW) == Spent(40, 1)
    assert store.settle_reservation("b", gas_usd_e8=3)
    assert not store.release_reservation("b")
    assert store.spent(NOW) == Spent(40, 3)


def test_gas_has_its_own_budget_and_a_withdrawal_passes_a_full_day(store: Store) -> None:
    assert reserve(store, "a", CAP)
    assert reserve(store, "out", 0)
    assert not reserve(store, "dear", 0, gas=9)


def test_what_was_spent_ages_out_and_what_is_pending_never_does(store: Store) -> None:
    assert reserve(store, "a", 60)
    assert store.settle_reservation("a", gas_usd_e8=1)
    assert reserve(store, "b", 40)
    assert store.spent(NOW + DAY - 1).usd_e8 == 100
    assert store.spent(NOW + DAY).usd_e8 == 40


@pytest.mark.parametrize("back", [1, 3_600, 5 * DAY])
def test_a_clock_that_goes_back_forgets_nothing(store: Store, back: int) -> None:
    assert reserve(store, "a", 60)
    assert store.settle_reservation("a", gas_usd_e8=1)
    assert not reserve(store, "b", 41, now=NOW - back)
    assert reserve(store, "c", 40, now=NOW - back)
    assert store.settle_reservation("c", gas_usd_e8=1)
    assert store.spent(NOW - back).usd_e8 == 100
    assert store.spent(NOW + DAY - 1).usd_e8 == 100
    assert store.spent(NOW + DAY).usd_e8 == 0


SLIP = 60  # the most a clock can be behind the chain's and still find a plan fresh


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(-SLIP, 0), st.integers(1, DAY // 2), st.integers(1, 40)), min_size=1, max_size=8))
def test_no_window_holds_more_than_the_cap(tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, int, int]]) -> None:
    with Store(tmp_path_factory.mktemp("clock") / "s.sqlite") as store:
        true_now, granted = NOW, list[tuple[int, int]]()
        for at, (slip, passed, usd) in enumerate(moves):
            true_now += passed
            if reserve(store, str(at), usd, now=true_now + slip, gas=0):
                store.settle_reservation(str(at), gas_usd_e8=0)
                granted.append((true_now, usd))
            assert sum(usd for when, usd in granted if when > true_now - DAY + SLIP) <= CAP


def test_a_yes_is_used_once(store: Store) -> None:
    assert store.use_approval(digest="d", operator="ana", at=NOW)
    assert not store.use_approval(digest="d", operator="ben", at=NOW)


def test_readings_are_remembered_by_block_and_time(store: Store) -> None:
    for block in range(5):
        store.put_reading(block, NOW + block, f"said {block}")
    store.put_reading(3, NOW + 3, "said again")
    assert store.reading(3) == "said again"
    assert store.reading(9) is None
    assert store.readings(NOW, NOW + 4) == ("said 1", "said 2", "said again")


def test_flags_come_and_go(store: Store) -> None:
    assert store.flag("pause") is None
    store.set_flag("pause", "drill")
    store.set_flag("pause", "again")
    assert store.flag("pause") == "again"
    store.clear_flag("pause")
    assert store.flag("pause") is None


def test_value_last_moved_when_the_last_receipt_says(store: Store) -> None:
    def receipt(seq: int, transactions: str) -> None:
        text = f'{{"content":{{"transactions":{transactions}}}}}'
        store.add_line(Line(seq, "receipt", NOW, "", text, str(seq)))

    assert store.moved_at() is None
    receipt(1, '[{"timestamp":5},{"timestamp":6}]')
    receipt(2, "[]")
    assert store.moved_at() == 6


def test_a_disk_that_cannot_be_written_is_named(store: Store) -> None:
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnwritable, match="nothing is signed"):
        planned(store)
    store.close()
    with pytest.raises(StoreUnwritable):
        store.flag("x")
    with pytest.raises(StoreUnwritable), store.transaction():
        pass
