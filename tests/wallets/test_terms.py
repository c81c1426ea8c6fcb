"""The keeper's memory of its terms: over restarts, clocks that jump, edited stores and files that cannot be read."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strategies.domain import Deployment
from strategies.errors import EndpointUnusable, SettingsError
from tests import worlds
from tests.wallets.chain import policy_for
from tests.wallets.live_parts import ADA, EVE, OPERATOR
from tests.wallets.test_changes import BOB, SECOND, THIRD, changed
from wallets import terms
from wallets.changes import LOOSENING_SECONDS, Terms, digest_of
from wallets.journal import Journal
from wallets.operators import sign_terms
from wallets.policy import Policy
from wallets.store import Store
from wallets.terms import FLAG, SHOWN, Charter, Clocks, Source, put_agreement, read_agreement, read_shown

POLICY = policy_for(worlds.ACCOUNT, worlds.DEPLOYMENT, OPERATOR, SECOND)
TIGHT = changed(POLICY, "max_day_usd", 60_000)
LOOSE = changed(POLICY, "max_day_usd", 2_000_000)
MIXED = changed(LOOSE, "max_calls", 4)
START = 1_700_000_000
OTHER = "0x" + "77" * 20


@dataclass
class Bench:
    """A folder, what is written, and two clocks that a test turns."""

    folder: Path
    store: Store
    written: Terms = field(default=Terms(POLICY, worlds.DEPLOYMENT))
    system: int = START
    chain: int = START - 7
    away: bool = False
    error: str = ""

    def charter(self) -> Charter:
        """A keeper's, after a start."""
        source = Source((self.folder / "written",), self._read)
        found = Charter(
            self.folder,
            store=self.store,
            journal=Journal(self.store),
            source=source,
            clocks=Clocks(lambda: self.system, self._chain),
        )
        found.begin()
        return found

    def write(self, policy: Policy, deployment: Deployment = worlds.DEPLOYMENT) -> None:
        self.written = Terms(policy, deployment)
        path = self.folder / "written"
        path.write_text(digest_of(self.written))
        os.utime(path, ns=(path.stat().st_mtime_ns + 10**6,) * 2)

    def later(self, seconds: int) -> None:
        self.system += seconds
        self.chain += seconds

    def agree(self, *people: tuple[Ed25519PrivateKey, str]) -> None:
        """By what the keeper shows, as the command does."""
        record = read_shown(self.folder)
        assert record is not None
        assert record.pending is not None
        for key, name in people:
            put_agreement(self.folder, sign_terms(key, name, record.pending.digest))

    def said(self) -> list[str]:
        return [json.loads(line)["content"]["what"] for line in self.store.lines()]

    def _read(self) -> Terms:
        if self.error:
            raise SettingsError(self.error)
        return self.written

    def _chain(self) -> int:
        if self.away:
            raise EndpointUnusable(endpoint="node", why="away")
        return self.chain


BOTH = ((ADA, "ada"), (BOB, "bob"))
DAY = LOOSENING_SECONDS


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(terms, "TEND_SECONDS", 0.0)
    with Store(tmp_path / "store.sqlite") as store:
        yield Bench(tmp_path, store)


def test_the_first_terms_are_in_force_at_once_and_written_down_once(at: Bench) -> None:
    assert at.charter().terms == at.charter().terms == Terms(POLICY, worlds.DEPLOYMENT)
    assert at.said() == ["first"]
    shown = read_shown(at.folder)
    assert shown is not None
    assert shown.in_force.policy == POLICY


def test_tightening_is_in_force_in_the_turn_after_it_is_written_and_after_a_restart(at: Bench) -> None:
    charter = at.charter()
    assert not charter.follow()
    at.write(TIGHT)
    assert charter.follow()
    assert charter.terms.policy == TIGHT == at.charter().terms.policy
    assert (charter.waiting, at.said()) == ("", ["first", "tightened"])


def test_loosening_comes_into_force_after_a_day_and_two_people(at: Bench) -> None:
    charter = at.charter()
    at.write(MIXED)
    assert charter.follow()
    assert charter.terms.policy == changed(POLICY, "max_calls", 4)
    assert charter.waiting == digest_of(at.written)
    at.agree(*BOTH)
    at.later(DAY - 1)
    assert not charter.follow()
    at.later(8)
    assert charter.follow()
    assert (charter.terms.policy, charter.waiting) == (MIXED, "")
    assert at.said() == ["first", "seen", "agreed", "agreed", "in force"]
    assert read_agreement(at.folder, "ada") is None


@pytest.mark.parametrize("people", [(), BOTH[:1], (BOTH[0], (EVE, "bob")), (BOTH[0], (EVE, "eve")), (BOTH[0], (ADA, "bob"))])
def test_without_two_of_the_operators_before_it_never_does(at: Bench, people: tuple[tuple[Ed25519PrivateKey, str], ...]) -> None:
    charter = at.charter()
    at.write(changed(LOOSE, "operators", (OPERATOR, SECOND, THIRD)))
    charter.follow()
    at.agree(*people)
    at.later(10 * DAY)
    charter.follow()
    assert charter.terms.policy == POLICY == at.charter().terms.policy


def test_the_wait_and_the_agreements_outlive_restarts_and_deleted_files(at: Bench) -> None:
    at.charter()
    at.write(LOOSE)
    at.charter()
    at.agree(*BOTH)
    at.later(DAY // 2)
    at.charter()
    for path in (at.folder / SHOWN, *at.folder.glob("agree.*")):
        path.unlink()
    at.later(DAY // 2 + 7)
    assert at.charter().terms.policy == LOOSE


@pytest.mark.parametrize(("system", "chain"), [(10 * DAY, 0), (0, 10 * DAY), (10 * DAY, DAY - 8), (-DAY, 10 * DAY)])
def test_neither_clock_alone_makes_the_day_pass(at: Bench, system: int, chain: int) -> None:
    at.charter()
    at.write(LOOSE)
    charter = at.charter()
    at.agree(*BOTH)
    at.system, at.chain = START + system, START - 7 + chain
    charter.follow()
    assert charter.terms.policy == POLICY
    at.system = at.chain = START + 10 * DAY
    charter.follow()
    assert charter.terms.policy == LOOSE


def test_a_clock_that_was_early_when_the_change_was_seen_shortens_nothing(at: Bench) -> None:
    at.charter()
    at.system -= 100 * DAY
    at.write(LOOSE)
    charter = at.charter()
    at.agree(*BOTH)
    at.system = START + DAY - 8
    at.chain = START + 10 * DAY
    charter.follow()
    assert charter.terms.policy == POLICY


def test_without_the_chains_time_nothing_looser_comes_into_force(at: Bench) -> None:
    at.charter()
    at.write(LOOSE)
    charter = at.charter()
    at.agree(*BOTH)
    at.later(DAY + 7)
    at.away = True
    charter.follow()
    assert charter.terms.policy == POLICY
    at.away = False
    assert charter.follow()
    assert charter.terms.policy == LOOSE


def test_a_change_seen_while_the_chain_is_away_is_seen_when_it_is_back(at: Bench) -> None:
    charter = at.charter()
    at.away = True
    at.write(MIXED)
    assert not charter.follow()
    at.away = False
    assert charter.follow()
    assert charter.waiting


def test_taking_a_tightening_back_is_a_loosening(at: Bench) -> None:
    charter = at.charter()
    for policy in (TIGHT, POLICY):
        at.write(policy)
        charter.follow()
    assert charter.terms.policy == TIGHT
    assert charter.waiting == digest_of(Terms(POLICY, worlds.DEPLOYMENT))


def test_what_a_withdrawn_change_had_made_stricter_stays_so(at: Bench) -> None:
    charter = at.charter()
    at.write(MIXED)
    charter.follow()
    at.write(POLICY)
    assert not charter.follow()
    assert charter.terms.policy == changed(POLICY, "max_calls", 4)
    assert charter.waiting == digest_of(Terms(POLICY, worlds.DEPLOYMENT))
    at.write(charter.terms.policy)
    charter.follow()
    assert (charter.waiting, at.said()[-1]) == ("", "dropped")


def test_a_change_that_is_asked_for_again_waits_again_and_old_agreements_count_nothing(at: Bench) -> None:
    charter = at.charter()
    at.write(LOOSE)
    charter.follow()
    at.agree(*BOTH)
    at.write(POLICY)
    charter.follow()
    at.later(DAY + 7)
    at.write(LOOSE)
    charter.follow()
    at.later(DAY - 1)
    charter.follow()
    assert charter.terms.policy == POLICY
    at.later(DAY)
    charter.follow()
    assert charter.terms.policy == POLICY
    at.agree(*BOTH)
    charter.follow()
    assert charter.terms.policy == LOOSE


def test_comments_and_order_change_nothing(at: Bench) -> None:
    charter = at.charter()
    at.write(POLICY)
    assert not charter.follow()
    assert at.said() == ["first"]
    at.write(changed(POLICY, "markets", POLICY.markets[::-1]))
    charter.follow()
    assert charter.waiting == ""
    assert set(charter.terms.policy.markets) == set(POLICY.markets)


def test_an_edited_deployment_waits_and_the_old_one_stays_in_force(at: Bench) -> None:
    poisoned = replace(worlds.DEPLOYMENT, markets=(replace(worlds.DEPLOYMENT.markets[0], address=OTHER),))
    charter = at.charter()
    at.write(POLICY, poisoned)
    charter.follow()
    assert charter.terms.deployment == worlds.DEPLOYMENT == at.charter().terms.deployment
    at.agree(*BOTH)
    at.later(DAY + 7)
    charter.follow()
    assert charter.terms.deployment == poisoned


def test_a_file_that_cannot_be_read_changes_nothing_and_is_noted_once(at: Bench) -> None:
    charter = at.charter()
    at.write(LOOSE)
    at.error = "max_calls: missing"
    assert not charter.follow()
    assert not charter.follow()
    assert at.said() == ["first", "unreadable"]
    with pytest.raises(SettingsError, match="max_calls"):
        at.charter()
    at.error = ""
    at.write(TIGHT)
    assert charter.follow()
    assert at.charter().terms.policy == TIGHT


@pytest.mark.parametrize(("name", "value"), [("account", OTHER), ("chain_id", 11155111)])
def test_another_wallets_terms_are_refused_at_start_and_ignored_while_running(at: Bench, name: str, value: object) -> None:
    charter = at.charter()
    at.write(changed(POLICY, name, value))
    assert not charter.follow()
    assert charter.terms.policy == POLICY
    with pytest.raises(SettingsError, match=r"another wallet\.folder"):
        at.charter()


def edited(store: Store, how: str) -> None:
    if how == "deleted":
        store.clear_flag(FLAG)
    elif how == "edited":
        store.set_flag(FLAG, (store.flag(FLAG) or "").replace("60000", "99999"))
    else:
        store.set_flag(FLAG, how)


@pytest.mark.parametrize("how", ["deleted", "edited", "put back"])
def test_a_memory_that_the_journal_does_not_know_is_refused(at: Bench, how: str) -> None:
    at.charter()
    first = at.store.flag(FLAG) or ""
    at.write(TIGHT)
    at.charter()
    edited(at.store, first if how == "put back" else how)
    at.written = Terms(LOOSE, worlds.DEPLOYMENT)
    with pytest.raises(SettingsError, match="behind the keeper"):
        at.charter()


def test_many_changes_leave_no_more_behind_than_still_counts(at: Bench) -> None:
    charter = at.charter()
    for calls in range(7, 1, -1):
        at.write(changed(LOOSE, "max_calls", calls))
        charter.follow()
    record = read_shown(at.folder)
    assert record is not None
    assert charter.terms.policy == changed(POLICY, "max_calls", 2)
    assert len(record.policies) <= 2


def test_the_shown_file_is_private_and_damage_in_it_is_an_error_that_a_start_mends(at: Bench) -> None:
    assert read_shown(at.folder) is None
    at.charter()
    (at.folder / SHOWN).write_text("{}")
    with pytest.raises(SettingsError, match="writes it again"):
        read_shown(at.folder)
    at.charter()
    assert read_shown(at.folder) is not None
    assert (at.folder / SHOWN).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [{}, {"operator": "ada"}, {"operator": "ada", "digest": 1, "signature": "x"}])
def test_an_agreement_that_says_too_little_is_none(at: Bench, content: dict[str, Any]) -> None:
    path = at.folder / "agree.ada"
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    assert read_agreement(at.folder, "ada") is None


def test_terms_of_another_version_are_refused_with_what_to_do(at: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"is":"Record"}'
    at.store.set_flag(FLAG, text)
    Journal(at.store).append(terms.KIND, START, {"what": "first", "sha256": terms._sha256(text)})
    with pytest.raises(SettingsError, match="another version"):
        at.charter()
