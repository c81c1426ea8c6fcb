"""Writes `curve.json`: what Curve's own StableSwap-NG code answered, executed in process.

Run it with `python -m tests.golden.make_curve FOLDER VYPER`, where FOLDER holds CurveStableSwapNGMath.vy and
CurveStableSwapNGViews.vy of curvefi/stableswap-ng (contracts/main; neither npm nor PyPI has them) and VYPER is that compiler's
program, version 0.3.10. Views asks the stand-in below for a pool's numbers. The model chooses nothing.
"""

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from strategies.protocols.adapter import Call
from tests.evm import Evm, Outcome

GOLDEN: Final = Path(__file__).with_name("curve.json")
SOURCE: Final = (
    "curvefi/stableswap-ng: get_D and get_y of CurveStableSwapNGMath, get_dy of CurveStableSwapNGViews, by vyper 0.3.10"
)
SOMEONE: Final = "0x" + "5e" * 20
POOL: Final = """
# pragma version 0.3.10
N_COINS: public(uint256)
fee: public(uint256)
offpeg_fee_multiplier: public(uint256)
A: public(uint256)
rates: DynArray[uint256, 8]
held: DynArray[uint256, 8]

@external
def put(rates: DynArray[uint256, 8], held: DynArray[uint256, 8], a: uint256, fee: uint256, multiplier: uint256):
    self.rates = rates
    self.held = held
    self.N_COINS = len(rates)
    self.A = a
    self.fee = fee
    self.offpeg_fee_multiplier = multiplier

@view
@external
def stored_rates() -> DynArray[uint256, 8]:
    return self.rates

@view
@external
def get_balances() -> DynArray[uint256, 8]:
    return self.held

@view
@external
def A_precision() -> uint256:
    return self.A * 100
"""


OSCILLATES: Final = {  # so far from balance that Newton's method never settles: two rounds keep differing by more than one
    "xp": [
        *("2370229443194338631181649", "2912789286064822670573879", "4443443397890297742070"),
        *("1239940469711758950400", "16631861330534680576"),
    ],
    "amp": "100",
    "n": "5",
}


class Contracts:
    """Math, Views and the pool's stand-in on an empty chain."""

    def __init__(self, folder: Path, vyper: str) -> None:
        self.evm = Evm.empty()
        self.math, self.views = (self.made(folder / f"CurveStableSwapNG{name}.vy", vyper) for name in ("Math", "Views"))
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "Pool.vy"
            source.write_text(POOL)
            self.pool = self.made(source, vyper)

    def made(self, source: Path, vyper: str) -> str:
        done = subprocess.run((vyper, str(source)), capture_output=True, text=True, check=True)
        return self.evm.create(SOMEONE, done.stdout.strip())

    def asked(self, target: str, signature: str, *values: object) -> Outcome:
        kinds = signature[signature.index("(") + 1 : -1].split(",")
        return self.evm.send(SOMEONE, Call(target, keccak(text=signature)[:4] + encode(kinds, values)))

    def get_d(self, given: Mapping[str, Any]) -> Mapping[str, str] | str:
        values = integers(given["xp"]), int(given["amp"]), int(given["n"])
        return said("D", self.asked(self.math, "get_D(uint256[],uint256,uint256)", *values))

    def get_y(self, given: Mapping[str, Any]) -> Mapping[str, str] | str:
        i, j, x, amp, d, n = (int(given[key]) for key in ("i", "j", "x", "amp", "D", "n"))
        signature = "get_y(int128,int128,uint256,uint256[],uint256,uint256,uint256)"
        return said("y", self.asked(self.math, signature, i, j, x, integers(given["xp"]), amp, d, n))

    def get_dy(self, given: Mapping[str, Any]) -> Mapping[str, str] | str:
        arrays = integers(given["rates"]), integers(given["balances"])
        numbers = [int(given[key]) for key in ("A", "fee", "offpeg_fee_multiplier")]
        assert self.asked(self.pool, "put(uint256[],uint256[],uint256,uint256,uint256)", *arrays, *numbers).succeeded
        swap = [int(given[key]) for key in ("i", "j", "dx")]
        return said("dy", self.asked(self.views, "get_dy(int128,int128,uint256,address)", *swap, self.pool))


def said(name: str, outcome: Outcome) -> Mapping[str, str] | str:
    return {name: str(decode(["uint256"], outcome.output)[0])} if outcome.succeeded else "REVERT"


def integers(numbers: Sequence[str]) -> list[int]:
    return [int(number) for number in numbers]


def some_pool(rng: random.Random) -> tuple[list[int], list[int], int]:
    """Rates, balances and A: mostly pools that could be, some far from balance, some beyond every edge."""
    count, worth = rng.randint(2, 8), 10 ** rng.uniform(0, rng.choice((12, 12, 12, 40)))
    rates = [rng.choice((10**18, 10**18, 10**30, rng.randint(10**17, 10**19))) for _ in range(count)]
    skew = rng.choice((0.1, 1, 1, 6))
    balances = [max(rng.choice((1, 1, 1, 1, 1, 0)), int(worth * 10 ** rng.uniform(-skew, 0) * 10**36 / rate)) for rate in rates]
    return rates, balances, rng.choice((1, 20, 200, 20_000, rng.randint(1, 10**6), 0))


def some_case(rng: random.Random) -> dict[str, dict[str, Any]]:
    """The same pool asked three things."""
    rates, balances, a = some_pool(rng)
    xp = [rate * raw // 10**18 for rate, raw in zip(rates, balances, strict=True)]
    i, j = rng.sample(range(len(xp)), 2) if rng.random() < 0.95 else (rng.randint(-1, 8), rng.randint(-1, 8))
    held = balances[i] if 0 <= i < len(balances) else 10**18
    dx = rng.choice((0, 1, *(int(held * 10 ** rng.uniform(-6, 0)) for _ in range(8)), int(held * 10 ** rng.uniform(0, 6))))
    base = rng.choice((0, 1_000_000, 4_000_000, rng.randint(0, 5 * 10**9)))
    multiplier = rng.choice((0, 10**10, 2 * 10**10, 5 * 10**10, rng.randint(10**10, 10**12)))
    shared = {"xp": texts(xp), "amp": str(a * 100), "n": str(len(xp))}
    x = (xp[i] if 0 <= i < len(xp) else 10**18) + dx * 10 ** rng.choice((0, 0, 12))
    d = int(sum(xp) * rng.choice((1, 1, 0.999, 0.9, 0)))
    swap = {"A": str(a), "fee": str(base), "offpeg_fee_multiplier": str(multiplier), "i": str(i), "j": str(j), "dx": str(dx)}
    return {
        "get_D": shared,
        "get_y": {"i": str(i), "j": str(j), "x": str(x), **shared, "D": str(d)},
        "get_dy": {"rates": texts(rates), "balances": texts(balances), **swap},
    }


def texts(numbers: Sequence[int]) -> list[str]:
    return [str(number) for number in numbers]


def main() -> None:
    contracts, rng = Contracts(Path(sys.argv[1]), sys.argv[2]), random.Random(10)
    ask = {"get_D": contracts.get_d, "get_y": contracts.get_y, "get_dy": contracts.get_dy}
    groups: dict[str, list[Any]] = {name: [] for name in ask}
    for _ in range(70):
        for name, given in some_case(rng).items():
            groups[name].append({"in": given, "out": ask[name](given)})
    groups["get_D"].append({"in": OSCILLATES, "out": contracts.get_d(OSCILLATES)})
    GOLDEN.write_text(json.dumps({"source": SOURCE, "groups": groups}, indent=0) + "\n")


if __name__ == "__main__":
    main()
