"""The chain: an edit, a deletion, a reorder is found; two runs that did the same share a projection."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.decide import Decision
from strategies.domain import Choice, Keep, Plan, Supply
from strategies.errors import MalformedRecord
from tests import worlds
from tests.wallets import cases
from tests.wallets.cases import case, policy, usdc
from tests.worlds import ACCOUNT, ONE
from wallets import wire
from wallets.guard import judge
from wallets.journal import (
    Journal,
    decision_content,
    entry_content,
    hash_of,
    line_of,
    observation_content,
    projection,
    receipt_content,
    verdict_content,
    verify,
)
from wallets.ledger import entries_of
from wallets.paper import ModelWorld, PaperWallet
from wallets.store import Store
from wallets.wallet import Approved, Verdict


def written(count: int = 6) -> Journal:
    journal = Journal()
    for at in range(count):
        journal.append("held", at, {"cycle": f"c{at // 2}", "reason": "waiting"})
    return journal


def test_lines_follow_each_other_and_verify() -> None:
    journal = written()
    assert verify(journal.lines) == ""
    assert verify(journal.lines, journal.head) == ""
    assert journal.head == hash_of(journal.lines[-1])
    assert verify(()) == verify((), "") == ""
    assert Journal().head == ""


@given(st.integers(0, 5), st.data())
def test_one_changed_character_is_found(at: int, data: st.DataObject) -> None:
    journal = written()
    lines = list(journal.lines)
    where = data.draw(st.integers(0, len(lines[at]) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda found: found != lines[at][where]))
    lines[at] = lines[at][:where] + other + lines[at][where + 1 :]
    assert verify(lines, journal.head) != ""


@given(st.integers(0, 5))
def test_a_deleted_line_is_found_by_number(at: int) -> None:
    journal = written()
    lines = list(journal.lines)
    del lines[at]
    assert f"line {min(at + 1, 5)}:" in verify(lines, journal.head)


@given(st.permutations(range(6)).filter(lambda order: list(order) != list(range(6))))
def test_a_reorder_is_found_at_its_first_line(order: list[int]) -> None:
    lines = written().lines
    first = next(at for at, found in enumerate(order) if at != found)
    assert verify([lines[at] for at in order]).startswith(f"line {first + 1}:")


def test_a_line_rewritten_with_its_followers_needs_the_head_to_be_found() -> None:
    honest, forged = written(), Journal()
    for line in honest.lines:
        said = json.loads(line)
        forged.append(said["kind"], said["at"], said["content"] | {"reason": "forged"})
    assert verify(forged.lines) == ""
    assert "the one the head names" in verify(forged.lines, honest.head)
    assert verify(honest.lines[:-1], honest.head) != ""


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"at":1}', "\x00"])
def test_refuses_what_is_no_line(line: str) -> None:
    assert verify([line]).startswith("line 1:")


def test_refuses_content_without_a_canonical_text() -> None:
    with pytest.raises(MalformedRecord):
        Journal().append("held", 0, {"reason": float("inf")})
    endless: dict[str, object] = {}
    endless["itself"] = endless
    with pytest.raises(MalformedRecord):
        Journal().append("held", 0, endless)


@given(
    st.integers(0, 2**63),
    st.text(max_size=20),
    st.dictionaries(
        st.text(max_size=5), st.one_of(st.none(), st.integers(), st.text(), st.floats(allow_nan=False, allow_infinity=False))
    ),
)
def test_a_line_is_the_canonical_text_of_its_five_parts(at: int, kind: str, content: dict[str, object]) -> None:
    previous = hash_of("the line before")
    parts = {"at": at, "content": content, "kind": kind, "previous": previous, "seq": 2}
    assert line_of(seq=2, kind=kind, timestamp=at, content=content, previous=previous) == wire.canonical(parts)


def test_a_store_keeps_lines_and_two_processes_may_append(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as one, Store(tmp_path / "s.sqlite") as other:
        mine, theirs = Journal(one), Journal(other)
        for at in range(3):
            mine.append("held", at, {"cycle": "a"})
            theirs.append("held", at, {"cycle": "b"})
        assert mine.lines == theirs.lines
        assert verify(mine.lines, mine.head) == ""
        assert theirs.has_cycle("a")
        assert not mine.has_cycle("")
    assert Journal().has_cycle("a") is False


def observed(*, supply_apr: float = 0.03, moved_at: int | None = None) -> dict[str, object]:
    seen = worlds.look(worlds.tape(worlds.rates(supply_apr, 0.05)), worlds.idle(), moved_at=moved_at)
    return dict(observation_content(seen))


def test_an_observation_changes_with_anything_seen_or_held() -> None:
    assert observed() == observed()
    assert observed() != observed(moved_at=5)
    one, other = observed()["seen"], observed(supply_apr=0.03000001)["seen"]
    assert isinstance(one, dict) and isinstance(other, dict)
    assert one["supply_apr_ppm"] == other["supply_apr_ppm"] == [30_000, 50_000]  # told to the nearest millionth,
    assert one["digest"] != other["digest"]  # and seen to the last bit


def test_an_observation_tells_unknown_rates_as_null() -> None:
    seen = worlds.look(worlds.tape([[None, worlds.Said(0.05)]]), worlds.idle())
    assert observation_content(seen)["seen"]["supply_apr_ppm"] == [None, 50_000]  # type: ignore[index]
    assert wire.canonical(observation_content(seen))


def test_an_entry_is_told_by_account_and_symbol() -> None:
    seen = cases.reading()
    wallet = PaperWallet(
        policy=policy(), deployment=worlds.DEPLOYMENT, portfolio=worlds.idle(), world=ModelWorld(seen, worlds.DEPLOYMENT)
    )
    verdict = wallet.judge(Plan((Supply(ONE, usdc(5)),), seen.block, "x"), "plan-1")
    assert isinstance(verdict, Approved)
    first = entries_of(wallet.execute(verdict, ()), worlds.DEPLOYMENT, ACCOUNT, seen.timestamp)[0]
    assert entry_content(first)["legs"] == [["market:one:USDC", "USDC", "5000000"], ["wallet", "USDC", "-5000000"]]


def run(cycle: str, clock: int) -> Journal:
    """A cycle in whatever mode: its id and its approval's expiry are its own."""
    journal, seen = Journal(), cases.reading()
    limits = policy(approval_expiry_seconds=clock)
    wallet = PaperWallet(
        policy=limits, deployment=worlds.DEPLOYMENT, portfolio=worlds.idle(), world=ModelWorld(seen, worlds.DEPLOYMENT)
    )
    plan = Plan((Supply(ONE, usdc(5)),), seen.block, "x")
    verdict = wallet.judge(plan, cycle)
    assert isinstance(verdict, Approved)
    receipt = wallet.execute(verdict, ())
    decision = Decision(Choice("lending", "balanced", "best"), Keep("x"), plan, "x")
    contents = [
        ("observation", observed()),
        ("decision", decision_content(decision)),
        ("verdict", verdict_content(verdict)),
        ("receipt", receipt_content(receipt)),
        *[("entry", entry_content(entry)) for entry in entries_of(receipt, worlds.DEPLOYMENT, ACCOUNT, seen.timestamp)],
        ("held", {"reason": f"only in {cycle}"}),
    ]
    for kind, content in contents:
        journal.append(kind, seen.timestamp, {"cycle": cycle, **content})
    return journal


def test_runs_that_did_the_same_share_a_projection_and_differ_in_ids() -> None:
    one, other = run("graph-7", 900), run("at-1700000000", 600)
    assert one.lines != other.lines
    assert projection(one.lines) == projection(other.lines)
    assert len(projection(one.lines)) == 7
    assert all("graph-7" not in line for line in projection(one.lines))


def test_a_verdict_comes_back_from_its_line() -> None:
    refused = judge(case((), paused="drill"))
    journal = Journal()
    line = journal.append("verdict", 0, verdict_content(refused))
    assert wire.from_text(Verdict, wire.canonical(json.loads(line)["content"])) == refused


def test_an_observation_says_what_backs_a_debt() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.05)), worlds.holding(ONE))
    (claim,) = seen.portfolio.positions
    backed = replace(seen, portfolio=replace(seen.portfolio, positions=(replace(claim, collateral=(usdc(7),)),)))
    content = dict(observation_content(backed))
    assert "collateral" not in observation_content(seen)["held"]  # type: ignore[operator]
    assert content["held"]["collateral"] == {ONE.id: {"USDC": str(7 * cases.USD)}}  # type: ignore[index]
