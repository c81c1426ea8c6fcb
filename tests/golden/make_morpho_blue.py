"""Writes `morpho_blue.json`: random walks of markets as Morpho Blue's own bytecode answered them in the in-process machine.

Run it with `python -m tests.golden.make_morpho_blue` where the devnet has changed. What is written comes from the contracts only;
the model chooses nothing but the amounts that are tried.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from strategies.domain import Address, Asset, Market, Position
from strategies.protocols.adapter import Adapter, Call
from tests.evm import Evm
from tests.strategies.protocols.morpho_blue_walk import ACTORS, ADAPTER, Dice, balances_raw, provide

GOLDEN = Path(__file__).with_name("morpho_blue.json")
SOURCE = "npm @morpho-org/morpho-blue 1.0.0 and sphere-mezo-solidity-files 1.2.0 (AdaptiveCurveIrm), compiled here"
WALKS = (("morpho:USDC/WETH", 21, 110), ("morpho:USDC/DAI", 22, 110), ("morpho:USDC", 23, 40))
DISTURBED = 0.06  # what others do is recorded as all answers anew

S = TypeVar("S")


class Step(Protocol):
    """One action of one account, so many seconds after the last."""

    @property
    def kind(self) -> str: ...
    @property
    def account(self) -> Address: ...
    @property
    def raw(self) -> int: ...
    @property
    def seconds(self) -> int: ...
    @property
    def call(self) -> Call: ...


@dataclass(frozen=True, slots=True)
class Recorder(Generic[S]):
    """A market on the chain, and who throws the dice for it."""

    evm: Evm
    market: Market
    adapter: Adapter[S]
    throw: Callable[[S, Mapping[Address, Position]], Step | None]

    @property
    def accounts(self) -> tuple[Address, ...]:
        return tuple(self.evm.actors[name] for name in ACTORS)

    def walk(self, steps: int) -> dict[str, Any]:
        """The opening answers, then each action with what became of it, and new answers where others intervened."""
        opening = self.answered()
        taken = [self.step() for _ in range(steps)]
        return {"market": described(self.market), "opening": opening, "steps": [step for step in taken if step]}

    def step(self) -> dict[str, Any] | None:
        """One throw of the dice; None where the account has not got what it would take."""
        evm, market = self.evm, self.market
        state = self.adapter.decode(market, evm.ask(self.adapter.reads(market)), evm.timestamp)
        held = {a: self.adapter.holding(market, evm.ask(self.adapter.holding_reads(market, a))) for a in self.accounts}
        if (step := self.throw(state, held)) is None:
            return {"kind": "read", **self.answered()}
        before = balances_raw(evm, market, step.account)
        if step.kind.startswith(("Supply", "Repay")) and min(before.values()) < step.raw < 2**127:
            return None
        evm.warp(step.seconds)
        done = evm.send(step.account, step.call)
        entry = {
            "kind": step.kind,
            "account": self.accounts.index(step.account),
            "raw": str(step.raw),
            "timestamp": evm.timestamp,
        }
        if not done.succeeded:
            return entry | {"out": "reverted"}
        after = balances_raw(evm, market, step.account)
        claim = packed(evm.ask(self.adapter.holding_reads(market, step.account)))
        moved = {symbol: str(after[symbol] - raw) for symbol, raw in before.items() if after[symbol] != raw}
        return entry | {"out": {"answers": packed(evm.ask(self.adapter.reads(market))), "claim": claim, "moved": moved}}

    def answered(self) -> dict[str, Any]:
        """All that is read of the market and of the accounts."""
        claims = [packed(self.evm.ask(self.adapter.holding_reads(self.market, account))) for account in self.accounts]
        answers = packed(self.evm.ask(self.adapter.reads(self.market)))
        return {"timestamp": self.evm.timestamp, "answers": answers, "claims": claims}


def packed(answers: Sequence[bytes]) -> list[str]:
    """Each answer as its words in hex without their leading zeros."""
    return [
        " ".join(f"{int.from_bytes(answer[at : at + 32], 'big'):x}" for at in range(0, len(answer), 32)) for answer in answers
    ]


def described(market: Market) -> dict[str, Any]:
    """A market with all that is pinned of it."""
    return {
        "id": market.id,
        "protocol": market.protocol,
        "address": market.address,
        "asset": asset_of(market.asset),
        "contracts": dict(market.contracts),
        "others": [asset_of(other) for other in market.others],
        "numbers": {name: str(number) for name, number in market.numbers},
        "wraps": [described(wrapped) for wrapped in market.wraps],
    }


def asset_of(asset: Asset) -> dict[str, Any]:
    return {"address": asset.address, "symbol": asset.symbol, "decimals": asset.decimals}


def write(path: Path, source: str, walks: Sequence[dict[str, Any]]) -> None:
    """A walk a line."""
    lines = ",\n".join(json.dumps(walk, separators=(",", ":")) for walk in walks)
    path.write_text('{"source":' + json.dumps(source) + ',"walks":[\n' + lines + "\n]}\n")


def main() -> None:
    evm = Evm.of_devnet()
    markets = {market.id: market for market in evm.deployment.markets}
    provide(evm, [markets[market_id] for market_id, _, _ in WALKS], markets[WALKS[0][0]].address)
    walks = []
    for name, seed, steps in WALKS:
        dice = Dice(evm, markets[name], random.Random(seed), DISTURBED)
        walks.append(Recorder(evm, markets[name], ADAPTER, dice.step).walk(steps))
    write(GOLDEN, SOURCE, walks)


if __name__ == "__main__":
    main()
