"""A stop that anyone may pull, that survives deletion and damage, and that only an enrolled operator ends."""

import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from strategies.errors import StoreUnwritable
from tests import worlds
from tests.wallets.chain import policy_for
from tests.wallets.live_parts import ADA, EVE, OPERATOR
from wallets import operators
from wallets.journal import Journal
from wallets.operators import sign_resume
from wallets.pause import (
    PAUSE_FILE,
    REDUCE_ONLY,
    RESUME,
    Brake,
    Held,
    Pause,
    ended_by,
    put_by_signal,
    put_pause,
    put_reduce_only,
    put_resume,
    read_held,
    read_pause,
    read_reduce_only,
    read_resume,
)
from wallets.policy import Operator, Policy
from wallets.store import Store

RESUME_FILE = f"{RESUME}.ada"
POLICY = policy_for(worlds.ACCOUNT, worlds.DEPLOYMENT, OPERATOR)
BOTH = policy_for(
    worlds.ACCOUNT,
    worlds.DEPLOYMENT,
    OPERATOR,
    Operator(name="eve", public_key=operators.public_key(EVE)),
    people={"resume_people": 2},
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite") as found:
        yield found


@pytest.fixture
def brake(tmp_path: Path, store: Store) -> Brake:
    return brake_under(POLICY, tmp_path, store)


def brake_under(policy: Policy, folder: Path, store: Store) -> Brake:
    return Brake(folder, store=store, journal=Journal(store), policy=lambda: policy)


def held(brake: Brake) -> Pause:
    found = brake.current()
    assert found is not None
    return found


def test_nothing_is_paused_where_neither_file_nor_store_says_so(brake: Brake, tmp_path: Path) -> None:
    assert brake.current() is None
    assert not brake.why().is_anything
    assert read_pause(tmp_path) is None
    assert read_resume(tmp_path, "ada") is None


def test_a_pause_is_a_private_file_and_each_has_an_id_of_its_own(tmp_path: Path) -> None:
    first = put_pause(tmp_path, "one")
    assert first == read_pause(tmp_path)
    second = put_pause(tmp_path, "two")
    assert second == read_pause(tmp_path)
    assert second.id != first.id
    assert stat.S_IMODE((tmp_path / PAUSE_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [PAUSE_FILE]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("laid_last", [True, False])
def test_a_second_pause_wins_over_a_resume_signed_for_the_first(
    brake: Brake, tmp_path: Path, known: bool, laid_last: bool
) -> None:
    first = put_pause(tmp_path, "one")
    assert not known or held(brake) == first
    resume = sign_resume(ADA, "ada", first.id)
    put_resume(tmp_path, resume)
    second = put_pause(tmp_path, "emergency")
    assert read_resume(tmp_path, "ada") is None
    if laid_last:
        put_resume(tmp_path, resume)
    assert [held(brake) for _ in range(3)] == [second] * 3
    (tmp_path / PAUSE_FILE).unlink()
    put_resume(tmp_path, resume)
    assert held(brake) == second
    put_resume(tmp_path, sign_resume(ADA, "ada", second.id))
    assert brake.current() is None


def test_a_pause_put_while_the_last_is_taken_away_stays(brake: Brake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = put_pause(tmp_path, "one")
    assert held(brake) == first
    put_resume(tmp_path, sign_resume(ADA, "ada", first.id))
    second: list[Pause] = []
    real = Store.clear_flag

    def clear(store: Store, name: str) -> None:
        real(store, name)
        second.append(put_pause(tmp_path, "emergency"))

    monkeypatch.setattr(Store, "clear_flag", clear)
    assert [held(brake)] == second
    assert [held(brake)] == second == [read_pause(tmp_path)]


def test_a_pause_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnwritable, match="pause"):
        put_pause(tmp_path / "absent", "one")
    with pytest.raises(StoreUnwritable, match="resume"):
        put_resume(tmp_path / "absent", sign_resume(ADA, "ada", "ab" * 16))


def test_deleting_the_file_ends_nothing_and_it_comes_back(brake: Brake, tmp_path: Path) -> None:
    pause = put_pause(tmp_path, "one")
    assert held(brake) == pause
    (tmp_path / PAUSE_FILE).unlink()
    assert held(brake) == pause
    assert read_pause(tmp_path) == pause


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": "short", "reason": "x"}', b'{"id": 1}', b"\xff", b"[" * 200_000])
def test_an_unreadable_file_is_a_pause_and_gets_an_id_to_sign(brake: Brake, tmp_path: Path, content: bytes) -> None:
    (tmp_path / PAUSE_FILE).write_bytes(content)
    (tmp_path / PAUSE_FILE).chmod(0o600)
    found = read_pause(tmp_path)
    assert found is not None
    assert found.id == ""
    assert len(held(brake).id) == 32
    assert read_pause(tmp_path) == held(brake)


def test_a_resume_that_is_nested_too_deep_ends_nothing(brake: Brake, tmp_path: Path) -> None:
    pause = put_pause(tmp_path, "one")
    (tmp_path / RESUME_FILE).write_bytes(b'{"operator":' * 200_000)
    (tmp_path / RESUME_FILE).chmod(0o600)
    assert [held(brake), held(brake)] == [pause] * 2


def test_a_file_of_open_mode_or_a_folder_in_its_place_is_a_pause(brake: Brake, tmp_path: Path) -> None:
    (tmp_path / PAUSE_FILE).mkdir()
    assert brake.why().halted
    assert held(brake) == held(brake)


def test_an_operators_signature_ends_its_own_pause(brake: Brake, tmp_path: Path, store: Store) -> None:
    put_resume(tmp_path, sign_resume(ADA, "ada", put_pause(tmp_path, "one").id))
    assert brake.why() == Held("one", "")  # the pause is written down before its end is
    assert brake.current() is None
    assert not (tmp_path / PAUSE_FILE).exists()
    assert not (tmp_path / RESUME_FILE).exists()
    assert [json.loads(line)["kind"] for line in store.lines()] == ["pause", "resume"]


def test_where_two_must_end_a_pause_one_does_not_however_often_and_two_do(tmp_path: Path, store: Store) -> None:
    brake, pause = brake_under(BOTH, tmp_path, store), put_pause(tmp_path, "one")
    for _ in range(2):
        put_resume(tmp_path, sign_resume(ADA, "ada", pause.id))
        assert held(brake) == pause
    assert ended_by(tmp_path, BOTH, pause.id) == ("ada",)
    put_resume(tmp_path, sign_resume(ADA, "eve", pause.id))  # one person under two names
    assert held(brake) == pause
    assert held(brake_under(BOTH, tmp_path, store)) == pause  # after a restart as before
    put_resume(tmp_path, sign_resume(EVE, "eve", pause.id))
    assert brake.current() is None
    assert json.loads(store.lines()[-1])["content"]["operators"] == "ada, eve"
    assert not list(tmp_path.glob(f"{RESUME}.*"))


def test_two_statements_for_different_pauses_end_neither(tmp_path: Path, store: Store) -> None:
    brake, first = brake_under(BOTH, tmp_path, store), put_pause(tmp_path, "one")
    put_resume(tmp_path, sign_resume(ADA, "ada", first.id))
    assert held(brake) == first
    second = put_pause(tmp_path, "two")
    put_resume(tmp_path, sign_resume(EVE, "eve", second.id))
    assert held(brake) == second
    assert ended_by(tmp_path, BOTH, second.id) == ("eve",)


def test_the_policy_in_force_says_how_many_must_end_a_pause(tmp_path: Path, store: Store) -> None:
    policies = [BOTH]
    brake = Brake(tmp_path, store=store, journal=Journal(store), policy=lambda: policies[-1])
    put_resume(tmp_path, sign_resume(ADA, "ada", put_pause(tmp_path, "one").id))
    assert brake.current() is not None
    policies.append(POLICY)
    assert brake.current() is None


@pytest.mark.parametrize("kind", ["forged", "stranger", "other pause", "damaged"])
def test_nothing_else_ends_a_pause(brake: Brake, tmp_path: Path, kind: str) -> None:
    pause = put_pause(tmp_path, "one")
    assert held(brake) == pause
    if kind == "damaged":
        (tmp_path / RESUME_FILE).write_text("{")
        (tmp_path / RESUME_FILE).chmod(0o600)
    else:
        forged = sign_resume(EVE, "ada", pause.id)
        offered = {
            "forged": forged,
            "stranger": sign_resume(EVE, "eve", pause.id),
            "other pause": sign_resume(ADA, "ada", "ab" * 16),
        }
        put_resume(tmp_path, offered[kind])
    assert held(brake) == pause


def test_an_old_resume_does_not_end_the_next_pause(brake: Brake, tmp_path: Path) -> None:
    first = put_pause(tmp_path, "one")
    assert held(brake) == first
    resume = sign_resume(ADA, "ada", first.id)
    put_resume(tmp_path, resume)
    assert brake.current() is None
    second = put_pause(tmp_path, "two")
    put_resume(tmp_path, resume)
    assert held(brake) == second
    assert held(brake) == second


def test_a_second_pause_outlives_the_end_of_the_first(brake: Brake, tmp_path: Path) -> None:
    first = put_pause(tmp_path, "one")
    assert held(brake) == first
    (tmp_path / PAUSE_FILE).unlink()
    second = put_pause(tmp_path, "two")
    put_resume(tmp_path, sign_resume(ADA, "ada", first.id))
    assert held(brake) == second


def test_a_pause_without_a_reason_is_a_pause(brake: Brake, tmp_path: Path) -> None:
    put_pause(tmp_path, "")
    assert brake.why().halted == "no reason was given"


def test_reduce_only_is_a_stop_of_its_own_that_names_itself(brake: Brake, tmp_path: Path, store: Store) -> None:
    put = put_reduce_only(tmp_path, "winding down")
    assert put == read_reduce_only(tmp_path) == held(brake)
    assert read_pause(tmp_path) is None
    assert brake.why() == read_held(tmp_path) == Held("", "reduce-only: winding down")
    (tmp_path / REDUCE_ONLY).unlink()
    assert held(brake) == put == read_reduce_only(tmp_path)
    put_resume(tmp_path, sign_resume(EVE, "ada", put.id))
    assert held(brake) == put
    put_resume(tmp_path, sign_resume(ADA, "ada", put.id))
    assert brake.current() is None
    assert [json.loads(line)["content"]["stop"] for line in store.lines()] == [REDUCE_ONLY] * 2


def test_reduce_only_never_loosens_a_halt_and_outlives_its_end(brake: Brake, tmp_path: Path) -> None:
    halt = put_pause(tmp_path, "emergency")
    assert held(brake) == halt
    below = put_reduce_only(tmp_path, "winding down")
    assert held(brake) == halt
    assert brake.why() == Held("emergency", "reduce-only: winding down")
    put_resume(tmp_path, sign_resume(ADA, "ada", below.id))
    assert held(brake) == halt  # only what it names has ended
    below = put_reduce_only(tmp_path, "again")
    put_resume(tmp_path, sign_resume(ADA, "ada", halt.id))
    assert held(brake) == below
    assert brake.why() == Held("", "reduce-only: again")


def test_a_halt_over_reduce_only_wins_and_leaves_it_there(brake: Brake, tmp_path: Path) -> None:
    below = put_reduce_only(tmp_path, "winding down")
    assert held(brake) == below
    halt = put_pause(tmp_path, "emergency")
    assert held(brake) == halt
    put_resume(tmp_path, sign_resume(ADA, "ada", halt.id))
    assert held(brake) == below


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_an_unreadable_reduce_only_file_is_reduce_only(brake: Brake, tmp_path: Path, content: bytes) -> None:
    (tmp_path / REDUCE_ONLY).write_bytes(content)
    (tmp_path / REDUCE_ONLY).chmod(0o600)
    assert len(held(brake).id) == 32
    assert brake.why() == Held("", "the reduce-only file is there and cannot be read")


def test_a_signal_halts_at_the_next_look_and_the_handler_before_is_put_back(brake: Brake, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with put_by_signal(tmp_path):
        assert brake.current() is None
        os.kill(os.getpid(), signal.SIGUSR1)
        assert brake.why() == Held("the keeper was sent SIGUSR1", "")
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_signal_whose_file_cannot_be_written_ends_the_process(tmp_path: Path) -> None:
    with put_by_signal(tmp_path / "absent"), pytest.raises(StoreUnwritable, match="pause"):
        os.kill(os.getpid(), signal.SIGUSR1)
