"""Walks as the bytecode answered them, and their replay by the model where there is no chain: one format for every protocol.

What is written comes from the contracts only; the model chooses the amounts that are tried, and the walk stops where it differs.
A file is a walk a line; an answer is its words in hex without leading zeros, `=` where one is what it was."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final, TypeVar

from strategies.domain import (
    ALL,
    Amount,
    Asset,
    Borrow,
    Claim,
    Entire,
    Lending,
    Market,
    MarketAction,
    Position,
    Repay,
    Shares,
    Stake,
    Staking,
    Supply,
    Unstake,
    Unwrap,
    Withdraw,
    Wrap,
)
from strategies.protocols.adapter import Applied
from tests.strategies.protocols.differential import Rules, Walk, exposed, judged, name_of

S = TypeVar("S")
T = TypeVar("T")
Record = Mapping[str, Any]
KINDS: Final[Mapping[str, Callable[[Market, Any], MarketAction]]] = {
    kind.__name__: kind for kind in (Supply, Withdraw, Borrow, Repay, Stake, Unstake, Wrap, Unwrap)
}


def path_of(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.json")


def load(name: str) -> tuple[Record, ...]:
    """The walks of a file."""
    return tuple(json.loads(path_of(name).read_text())["walks"])


def write(name: str, walks: Sequence[Record]) -> None:
    lines = ",\n".join(json.dumps(walk, separators=(",", ":")) for walk in walks)
    path_of(name).write_text('{"walks":[\n' + lines + "\n]}\n")


def recorded(walk: Walk[S], steps: int, source: str) -> dict[str, Any]:
    """The opening answers, then each action with what became of it, and new answers where others intervened."""
    scene = walk.scene
    opening = {"timestamp": scene.evm.timestamp, "answers": packed(scene.answers())}
    opening["claims"] = [packed(scene.holding_answers(account)) for account in scene.accounts]
    record = {"source": source, "market": described(scene.market), "opening": opening}
    return record | {"exposed": [scene.accounts.index(account) for account in scene.exposed], "steps": list(entries(walk, steps))}


def entries(walk: Walk[S], steps: int) -> Iterator[dict[str, Any]]:
    """Each step of a walk until it cannot be read any more."""
    scene, last = walk.scene, walk.scene.answers()
    for _ in range(steps):
        others = walk.counts["others"]
        taken = walk.step()
        entry: dict[str, Any] = {"timestamp": scene.evm.timestamp}
        if taken is not None:
            entry |= {"action": worded(taken.step.action), "account": scene.accounts.index(taken.step.account)}
        elif walk.counts["others"] == others:
            continue  # the wallet had not what it would give
        if taken is not None and taken.outcome != "done":
            yield entry | {"out": taken.outcome}
            continue
        asked = scene.exposed if taken is None else (taken.step.account,)
        entry["claims"] = [packed(scene.holding_answers(account)) for account in asked]
        if taken is not None:
            entry["out"] = {asset.symbol: str(raw) for asset, raw in taken.moved.items()}
        if walk.is_over:
            yield entry
            return
        answers = scene.answers()
        yield entry | {"answers": packed(answers, last)}
        last = answers


def replayed(rules: Rules[S], walk: Record) -> Counter[str]:
    """Every step of a walk, predicted from the step before; what others did is read anew."""
    market, adapter, counts = market_from(walk["market"]), rules.adapter, Counter[str]()
    answers, now = unpacked(walk["opening"]["answers"]), walk["opening"]["timestamp"]
    state = adapter.decode(market, answers, now)
    held = [adapter.holding(market, unpacked(claim)) for claim in walk["opening"]["claims"]]
    for step in walk["steps"]:
        state, now, seen = adapter.accrue(state, step["timestamp"] - now), step["timestamp"], None
        if "answers" in step:
            answers = unpacked(step["answers"], answers)
            seen = adapter.decode(market, answers, now)
        claims = [adapter.holding(market, unpacked(claim)) for claim in step.get("claims", ())]
        if "action" in step:
            name, state = followed(rules, step, state, held, seen, claims)
            counts[name] += 1
        else:
            state = seen or state
            for account, claim in zip(walk["exposed"], claims, strict=True):
                held[account] = exposed(held[account], claim)
    return counts


def followed(
    rules: Rules[S], step: Record, state: S, held: list[Position], seen: S | None, claims: Sequence[Position]
) -> tuple[str, S]:
    """What an action is called with its outcome, and the market after it; the account's claim is put in its place."""
    action, account = action_of(step["action"], held[0].market), step["account"]
    meant = rules.meant(state, held[account], action)
    said, out = judged(rules.adapter, state, held[account], meant), step["out"]
    if isinstance(out, str):
        assert out == "refused elsewhere" or not isinstance(said, Applied), (step, said)
        return f"{name_of(action, meant)} {out}", state
    assert isinstance(said, Applied), (step, said)
    after = rules.learnt(said.state, seen) if seen else said.state
    assert seen in (None, after), step
    assert [rules.agrees(after, said.held, claim) for claim in claims] == [True], step
    assert {amount.asset.symbol: str(amount.raw) for amount in said.moved} == out, step
    held[account] = said.held
    return name_of(action, meant), after


def packed(answers: Sequence[bytes], last: Sequence[bytes] = ()) -> list[str]:
    """Each answer's words."""
    return [
        " ".join("=" if word == was else f"{int.from_bytes(word, 'big'):x}" for word, was in beside(words(answer), words(before)))
        for answer, before in beside(answers, last)
    ]


def unpacked(answers: Sequence[str], last: Sequence[bytes] = ()) -> list[bytes]:
    """The answers again."""
    return [
        b"".join(was if word == "=" else bytes.fromhex(word.zfill(64)) for word, was in beside(answer.split(), words(before)))
        for answer, before in beside(answers, last)
    ]


def words(answer: bytes) -> list[bytes]:
    return [answer[at : at + 32] for at in range(0, len(answer), 32)]


def beside(these: Sequence[T], last: Sequence[bytes]) -> Iterator[tuple[T, bytes]]:
    """Each with what stood in its place, which may be nothing."""
    return zip(these, chain(last, repeat(b"")), strict=False)


def worded(action: MarketAction) -> list[str]:
    """An action's name, what it is of, and how much."""
    assert isinstance(action, Lending | Staking)
    match action:
        case Claim(request_id=request_id):
            return ["Claim", str(request_id)]
        case _:
            return [type(action).__name__, *quantity(action.amount)]


def quantity(amount: Amount | Shares | Entire) -> tuple[str, ...]:
    match amount:
        case Amount(asset=asset, raw=raw):
            return asset.symbol, str(raw)
        case Shares(raw=raw):
            return "shares", str(raw)
        case Entire():
            return ("all",)


def action_of(said: Sequence[str], market: Market) -> MarketAction:
    """The action of its words."""
    kind, *of = said
    if kind == "Claim":
        return Claim(market, int(of[0]))
    if of == ["all"]:
        return KINDS[kind](market, ALL)
    symbol, raw = of[0], int(of[1])
    if symbol == "shares":
        return KINDS[kind](market, Shares(raw))
    asset = next(asset for asset in (market.asset, *market.others) if asset.symbol == symbol)
    return KINDS[kind](market, Amount(asset, raw))


def described(market: Market) -> dict[str, Any]:
    """A market with all that is pinned of it."""
    return {
        "id": market.id,
        "protocol": market.protocol,
        "address": market.address,
        "asset": [market.asset.address, market.asset.symbol, market.asset.decimals],
        "contracts": dict(market.contracts),
        "others": [[other.address, other.symbol, other.decimals] for other in market.others],
        "numbers": {name: str(number) for name, number in market.numbers},
        "wraps": [described(wrapped) for wrapped in market.wraps],
    }


def market_from(said: Record) -> Market:
    return Market(
        id=said["id"],
        protocol=said["protocol"],
        address=said["address"],
        asset=Asset(31_337, *said["asset"]),
        contracts=tuple(said["contracts"].items()),
        others=tuple(Asset(31_337, *other) for other in said["others"]),
        numbers=tuple((name, int(number)) for name, number in said["numbers"].items()),
        wraps=tuple(market_from(wrapped) for wrapped in said["wraps"]),
    )
