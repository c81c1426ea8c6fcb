"""Walks recorded from Uniswap's bytecode, replayed by the model: equal to the unit, refused where it reverted. Never skipped."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strategies.domain import Asset, Market, Position, Ticks
from strategies.errors import ProtocolError
from strategies.protocols.adapter import Call
from strategies.protocols.uniswap_v3 import EMPTY, HEAD_WORDS, UniswapV3
from strategies.protocols.uniswap_v3 import pool as pools
from strategies.protocols.uniswap_v3.pool import Pool, tokens

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "uniswap_v3.json").read_text())
ADAPTER = UniswapV3()
KINDS = ("Swap", "Mint", "Increase", "RemoveLiquidity", "Collect")


def market_of(walk: Mapping[str, Any]) -> Market:
    said = walk["market"]
    asset, other = (Asset(31_337, *described) for described in said["assets"])
    contracts, numbers = tuple(said["contracts"].items()), tuple(said["numbers"].items())
    return Market(said["id"], "uniswap_v3", said["address"], asset, contracts, (other,), numbers)


def decoded(market: Market, said: Mapping[str, Any]) -> Pool:
    book = [EMPTY] * (len(ADAPTER.reads(market)) - len(HEAD_WORDS))
    for at, answer in said["book"].items():
        book[int(at)] = bytes.fromhex(answer)
    state = ADAPTER.decode(market, [*(bytes.fromhex(answer) for answer in said["head"]), *book], said["timestamp"])
    for lower, upper, *answers in said["bounds"]:
        state = ADAPTER.with_bounds(state, Ticks(lower, upper), [bytes.fromhex(answer) for answer in answers])
    return state


class Replay:
    """One recorded walk, followed by the model alone."""

    def __init__(self, walk: Mapping[str, Any]) -> None:
        self.market = market_of(walk)
        self.state = decoded(self.market, walk["opening"])
        self.held: dict[str, Position] = {}
        self.counts: Counter[str] = Counter()

    def follow(self, tried: Mapping[str, Any]) -> None:
        if "timestamp" in tried:
            self.state = ADAPTER.accrue(self.state, tried["timestamp"] - self.state.timestamp)
        match tried["kind"]:
            case "forgotten":
                del self.held[tried["account"]]
            case "protocol fee":
                self.state = replace(self.state, fee_protocol=tried["fee_protocol"])
            case "read anew":
                fees_raw, balances_raw = tuple(tried["protocol_fees_raw"]), tuple(tried["balances_raw"])
                self.state = replace(self.state, protocol_fees_raw=fees_raw, balances_raw=balances_raw)
            case "exact output" | "to price":
                done = pools.swap(self.state, tried["token_in"], int(tried["specified"]), int(tried["limit_x96"]))
                assert list(done.amounts_raw) == tried["paid"]
                self.state = done.pool
            case _:
                self.called(tried)
        self.counts[tried["kind"] + (" refused" if tried.get("reverted") else "")] += 1

    def called(self, tried: Mapping[str, Any]) -> None:
        data, account, owner = bytes.fromhex(tried["data"]), tried["account"], tried["owner"]
        target = self.market.contract("router" if tried["kind"] == "Swap" else "position_manager")
        action = ADAPTER.parse(Call(target, data), account, (self.market,))
        assert action is not None
        held = self.held.get(owner, Position(self.market, 0))
        if tried["reverted"]:
            with pytest.raises(ProtocolError):
                ADAPTER.apply(self.state, held, action)  # type: ignore[arg-type]
            return
        done = ADAPTER.apply(self.state, held, action)  # type: ignore[arg-type]
        assert [done.moved_raw(token) for token in tokens(self.market)] == tried["moved"]
        self.state, self.held[owner] = done.state, done.held
        if "token_id" in tried and done.held.range is not None:
            self.held[owner] = replace(done.held, range=replace(done.held.range, token_id=tried["token_id"]))


def replayed(walk: Mapping[str, Any]) -> Replay:
    replay = Replay(walk)
    for step in walk["steps"]:
        for tried in step["tried"]:
            replay.follow(tried)
        numbers = [getattr(replay.state, name) for name in GOLDEN["numbers"]]
        assert [[str(n) for n in number] if isinstance(number, tuple) else str(number) for number in numbers] == step["after"]
    return replay


@pytest.mark.parametrize("walk", GOLDEN["walks"], ids=lambda walk: str(walk["market"]["id"]))
def test_replays_every_recorded_step_and_ends_where_the_contracts_ended(walk: Mapping[str, Any]) -> None:
    replay = replayed(walk)
    later = walk["closing"]["timestamp"] - replay.state.timestamp
    assert ADAPTER.accrue(replay.state, later) == decoded(replay.market, walk["closing"])
    for account, token_id in walk["holdings"].items():
        answers = [bytes.fromhex(answer) for answer in walk["ranges"][account]]
        assert ADAPTER.range_of(replay.market, answers, account=account, token_id=token_id) == replay.held[account]


def test_the_records_hold_both_outcomes_of_every_action() -> None:
    counts = sum((replayed(walk).counts for walk in GOLDEN["walks"]), Counter[str]())
    assert all(counts[kind] >= 4 and counts[f"{kind} refused"] >= 1 for kind in KINDS), counts
    assert counts["exact output"] >= 4
    assert counts["to price"] >= 4
