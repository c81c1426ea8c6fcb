"""What is written straight as text is what plain values would have been written as, byte for byte."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from enum import Enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.books import sights_at
from strategies.domain import Asset, Choice, Keep
from strategies.errors import MalformedRecord
from strategies.protocols.aave_v3.arithmetic import Version
from strategies.tape import Observation
from tests import worlds
from tests.wallets.cases import lending_reading, usdc
from tests.wallets.test_wire import assets, decisions, deployments, portfolios, receipts, verdicts, words
from tests.worlds import ONE
from wallets import journal, wire
from wallets.ledger import Entry, moved
from wallets.wallet import Approved, approval_digest

amounts_moved = st.builds(moved, st.integers(0, 2**40), words, st.just(usdc(3)), giver=words, taker=words)


def plainly(value: object) -> object:
    """A record as JSON values, one type after the other: the twin of the writers."""
    for kind, plain in PLAIN:
        if isinstance(value, kind):
            return plain(value)
    raise AssertionError(value)


def fields_plainly(value: Any) -> object:
    return {"is": type(value).__name__, **{field.name: plainly(getattr(value, field.name)) for field in fields(value)}}


PLAIN: Sequence[tuple[type, Callable[[Any], object]]] = (
    (type(None), lambda _: None),
    (bool, bool),
    (str, str),
    (int, lambda value: value if abs(value) < 2**53 else str(value)),
    (float, lambda value: None if math.isnan(value) else value),
    (bytes, bytes.hex),
    (tuple, lambda value: [plainly(one) for one in value]),
    (dict, lambda value: {key: plainly(one) for key, one in value.items()}),
    (Enum, lambda value: value.name),
    (Version, lambda value: value.name),
    (object, fields_plainly),
)


def written(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


@settings(max_examples=60)
@given(st.one_of(decisions, verdicts, receipts, portfolios, deployments, assets))
def test_a_record_is_written_as_its_plain_values_would_be(record: object) -> None:
    assert wire.to_text(record) == written(plainly(record))
    assert wire.plain(record) == plainly(record)


def test_a_reading_is_written_as_its_plain_values_would_be() -> None:
    assert wire.to_text(lending_reading()) == written(plainly(lending_reading()))


@given(st.floats(allow_infinity=False) | st.integers() | st.text() | st.none() | st.booleans() | st.binary())
def test_a_value_is_written_as_its_plain_value_would_be(value: object) -> None:
    assert wire.to_text((value,)) == written([plainly(value)])


def test_refuses_a_mapping_whose_keys_are_no_text_and_an_infinity() -> None:
    assert wire.to_text({"b": 1, "a": 2}) == '{"a":2,"b":1}'
    for refused in ({1: "one"}, (math.inf,), [1], object()):
        with pytest.raises(MalformedRecord):
            wire.to_text(refused)


@settings(max_examples=40)
@given(decisions | verdicts | receipts, words)
def test_a_records_line_is_its_plain_values_and_its_cycle(record: object, cycle: str) -> None:
    told = plainly(record)
    assert isinstance(told, dict)
    assert journal.record_text(record, cycle) == written({"cycle": cycle, **told})  # type: ignore[arg-type]


@given(amounts_moved, words)
def test_an_entrys_line_is_its_legs_and_its_cycle(entry: Entry, cycle: str) -> None:
    legs = [[leg.account, leg.amount.asset.symbol, str(leg.amount.raw)] for leg in entry.legs]
    told = {"cycle": cycle, "memo": entry.memo, "timestamp": entry.timestamp, "legs": legs}
    assert journal.entry_text(entry, cycle) == written(told)
    assert journal.entry_content(entry) == {"memo": entry.memo, "timestamp": entry.timestamp, "legs": legs}


def observation_plainly(seen: Observation, cycle: str) -> str:
    """The twin of `observation_text`: values first, text last."""
    columns = [seen.now(name) for name in ("supply_apr", "borrow_apr", "utilisation", "available")]
    prices = {asset.symbol: seen.usd_e8(asset) for asset in seen.deployment.assets if seen.usd_e8(asset) is not None}
    held: dict[str, object] = {
        "idle": {idle.asset.symbol: str(idle.raw) for idle in seen.portfolio.idle},
        "claims": {held.market.id: [str(held.shares_raw), str(held.debt_raw)] for held in seen.portfolio.positions},
    }
    if backing := [held for held in seen.portfolio.positions if held.collateral]:
        held["collateral"] = {one.market.id: {a.asset.symbol: str(a.raw) for a in one.collateral} for one in backing}
    parts = [*[(column + 0.0).tobytes() for column in columns], seen.fresh_now().tobytes()]
    content = {
        "seen": {
            "block": seen.block,
            "timestamp": seen.timestamp,
            "base_fee_wei": plainly(seen.base_fee_wei),
            "digest": hashlib.sha256(b"".join(parts)).hexdigest(),
            "supply_apr_ppm": [None if math.isnan(apr) else plainly(round(apr * 1e6)) for apr in columns[0].tolist()],
            "prices_usd_e8": prices,
        },
        "moved_at": seen.moved_at,
        "held": held,
        "cycle": cycle,
    }
    return written(content)


rates = st.none() | st.floats(-1.0, 1.0) | st.floats(-1e200, 1e200)


@given(rates, st.none() | st.integers(0, 2**40), st.booleans(), st.booleans(), words)
def test_an_observations_line_is_its_plain_values(
    supply_apr: float | None, moved_at: int | None, holds: bool, backs: bool, cycle: str
) -> None:
    held = worlds.holding(ONE) if holds else worlds.idle()
    if backs and holds:
        held = replace(held, positions=(replace(held.positions[0], collateral=(usdc(7),)),))
    first = None if supply_apr is None else worlds.Said(supply_apr)
    seen = worlds.look(worlds.tape([[first, worlds.Said(-0.0)]]), held, moved_at=moved_at)
    content = {"cycle": cycle, **journal.observation_content(seen)}
    assert content == json.loads(observation_plainly(seen, cycle))
    sight = written(content["seen"])
    assert journal.observation_text(sight, cycle, journal.held_text(seen.portfolio), moved_at) == observation_plainly(seen, cycle)


def test_refuses_to_write_down_an_infinite_rate() -> None:
    whole = worlds.tape([[worlds.Said(0.02), worlds.Said(0.03)]])
    broken = replace(whole, supply_apr=np.array([[math.inf, 0.03]]))
    with pytest.raises(MalformedRecord):
        journal.observation_content(worlds.look(broken, worlds.idle()))


def test_further_text_stands_where_its_name_sorts() -> None:
    choice = Choice("rotation", "balanced", "best")
    assert wire.writer_with(Choice, "a")(choice, "1").startswith('{"a":1,"is":"Choice"')
    assert wire.writer_with(Choice, "z")(choice, "[]").endswith(',"z":[]}')
    assert json.loads(wire.writer_with(Keep, "more")(Keep("x"), "{}")) == {"is": "Keep", "more": {}, "reason": "x"}
    with pytest.raises(MalformedRecord):
        wire.writer_with(int, "a")


@given(assets, assets)
def test_the_text_that_is_kept_of_an_asset_is_its_own(one: Asset, other: Asset) -> None:
    assert (wire.to_text(one) == wire.to_text(other)) == (one == other)


@given(st.lists(st.lists(rates, min_size=2, max_size=2), min_size=1, max_size=5))
def test_rows_told_together_are_told_as_they_would_be_one_by_one(said: list[list[float | None]]) -> None:
    tape = worlds.tape([[None if apr is None else worlds.Said(apr) for apr in row] for row in said])
    for row, sight in enumerate(sights_at(tape, range(len(said)))):
        seen = worlds.look(tape, worlds.idle(), row=row)
        assert journal.observation_text(sight, "", journal.held_text(seen.portfolio), None) == observation_plainly(seen, "")
    assert sights_at(tape, []) == []


@given(verdicts.filter(lambda verdict: isinstance(verdict, Approved)), words, words, st.integers())
def test_what_an_approval_covers_is_digested_as_its_plain_values_would_be(
    verdict: Approved, account: str, policy_digest: str, chain_id: int
) -> None:
    effects = verdict.effects
    done = [[call.target, call.data.hex(), str(call.value_wei)] for call in verdict.calls]
    shown = [
        [[change.unit, change.symbol, str(change.delta_raw)] for change in effects.changes],
        [[left.token, left.spender, str(left.raw)] for left in effects.allowances],
        effects.gas_used,
        effects.block,
        effects.timestamp,
        effects.unexpected,
    ]
    content = [chain_id, account, done, shown, verdict.intent, policy_digest, verdict.expiry]
    text = json.dumps(content, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == approval_digest(
        chain_id=chain_id,
        account=account,
        calls=verdict.calls,
        effects=effects,
        intent=verdict.intent,
        policy_digest=policy_digest,
        expiry=verdict.expiry,
    )


NAMES = ("USD₮0", "USDe", "USD", "USD C", 'U"', "u\\s", "ETH")


@given(st.permutations(NAMES), st.lists(st.integers(0, 2), min_size=len(NAMES), max_size=len(NAMES)))
def test_a_sight_is_canonical_whatever_its_assets_are_called(names: list[str], prices: list[int]) -> None:
    told = tuple(Asset(1, f"0x{at:040x}", name, 6) for at, name in enumerate(names))
    row, none = np.zeros((1, 4)), np.zeros((1, 1), dtype=np.bool_)
    (sight,) = journal.sight_texts(replace(worlds.DEPLOYMENT, assets=told), [(1, 2, 3)], np.array([prices]), row, none)
    assert written(json.loads(sight)) == sight
