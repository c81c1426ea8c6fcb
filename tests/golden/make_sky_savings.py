"""Writes `sky_savings.json`: powers as executed bytecode answered them, for `rpow_half_up`.

Run it with `python -m tests.golden.make_sky_savings`. Neither npm nor PyPI ships the Pot, sDAI or sUSDS; the bytecode is
Solady's rpow, which its authors wrote to equal Maker's (it reverts on a square of more than 128 bits, Maker's on its overflow:
the same). What is built upon rpow, the accumulator and the conversions, is anchored by the numbers in Maker's own tests and by
the published vectors instead.
"""

import json
import random
from pathlib import Path

from eth_abi.abi import encode

from strategies.protocols.adapter import Call
from strategies.units import MAX_UINT256, RAY, WAD
from tests.evm import Evm
from tests.golden.scratch import compiled

GOLDEN = Path(__file__).with_name("sky_savings.json")
PACKAGE = "solady@0.1.26"
WRAPPER = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";
contract Power {
    function rpow(uint256 x, uint256 n, uint256 base) external pure returns (uint256) {
        return FixedPointMathLib.rpow(x, n, base);
    }
}
"""
SENDER = "0x" + "11" * 20
YEAR = 31_536_000


def inputs(throw: random.Random) -> list[tuple[int, int, int]]:
    """Rates up to 25 % a year over every stretch of time, other bases, and the edges of 256 bits."""
    seconds = (0, 1, 2, 3, 12, 13, 3_600, 86_400, 604_800, YEAR - 1, YEAR, 3 * YEAR)
    rates = [RAY + throw.randint(0, 7 * 10**18) for _ in range(12)]
    cases = [(rate, n, RAY) for rate in rates for n in (*seconds[throw.randrange(3) :: 3], throw.randint(0, 5 * YEAR))]
    cases += [(throw.randint(0, 3 * WAD), throw.randint(0, 200), WAD) for _ in range(40)]
    cases += [
        (throw.randint(0, 2 ** throw.randint(1, 256) - 1), throw.randint(0, 9), 2 ** throw.randint(0, 130)) for _ in range(60)
    ]
    edges = (0, 1, RAY // 2, RAY - 1, RAY, 2**128 - 1, 2**128, MAX_UINT256)
    return cases + [(x, n, RAY) for x in edges for n in (0, 1, 2, 3, 4, 7)]


def main() -> None:
    evm, throw = Evm.empty(), random.Random(5)
    power = evm.create(SENDER, compiled(PACKAGE, {"Power": WRAPPER})["Power"].linked({}))
    selector = bytes.fromhex("67b870af")  # rpow(uint256,uint256,uint256)
    lines = []
    for case in inputs(throw):
        said = evm.send(SENDER, Call(power, selector + encode(("uint256", "uint256", "uint256"), case)))
        out = str(int.from_bytes(said.output, "big")) if said.succeeded else "REVERT"
        lines.append(json.dumps([*map(str, case), out]))
    source = f"npm {PACKAGE}, FixedPointMathLib.rpow: x, n, base, outcome"
    GOLDEN.write_text('{"source":' + json.dumps(source) + ',"rpow":[\n' + ",\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main()
