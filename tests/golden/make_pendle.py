"""Writes `pendle.json`: what Pendle's own code answered, executed in process.

Run it with `python -m tests.golden.make_pendle FOLDER`, where FOLDER holds npm's @pendle/core-v2 6.11.0 unpacked. Its libraries
are called through the harness below, compiled with the local chain's compiler; its market is the bytecode the package ships,
between stand-ins that answer what they are told to. The model chooses nothing.
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

from agent.devnet.artefacts import ensure, find_node
from agent.devnet.compile import PROGRAM
from strategies.domain import Asset, Market
from strategies.protocols.adapter import Call
from strategies.protocols.pendle import Pendle
from tests.evm import Evm, Outcome

GOLDEN: Final = Path(__file__).with_name("pendle.json")
SOURCE: Final = "npm @pendle/core-v2 6.11.0: libraries compiled by solc 0.8.27, PendleMarketV7 as shipped"
SOMEONE: Final = "0x" + "5e" * 20
STATE: Final = "(int256,int256,int256,address,int256,uint256,uint256,uint256,uint256)"
HARNESS: Final = """
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;
import {MarketMathCore, MarketState, MarketPreCompute, LogExpMath, PYIndex} from
    "@pendle/core-v2/contracts/core/Market/MarketMathCore.sol";
import {PendlePYOracleLib, IPMarket} from "@pendle/core-v2/contracts/oracles/PtYtLpOracle/PendlePYOracleLib.sol";

contract Harness {
    using MarketMathCore for MarketState;
    mapping(bytes4 => bytes) private answers;

    function exp(int256 x) external pure returns (int256) { return LogExpMath.exp(x); }
    function ln(int256 x) external pure returns (int256) { return LogExpMath.ln(x); }

    function sell(MarketState memory m, uint256 index, uint256 pt, uint256 time)
        external pure returns (MarketPreCompute memory c, uint256 sy, uint256 fee, uint256 reserve, uint256 rate)
    {
        c = m.getMarketPreCompute(PYIndex.wrap(index), time);
        (sy, fee, reserve) = m.swapExactPtForSy(PYIndex.wrap(index), pt, time);
        rate = m.lastLnImpliedRate;
    }

    function buy(MarketState memory m, uint256 index, uint256 pt, uint256 time)
        external pure returns (MarketPreCompute memory c, uint256 sy, uint256 fee, uint256 reserve, uint256 rate)
    {
        c = m.getMarketPreCompute(PYIndex.wrap(index), time);
        (sy, fee, reserve) = m.swapSyForExactPt(PYIndex.wrap(index), pt, time);
        rate = m.lastLnImpliedRate;
    }

    function price(IPMarket market) external view returns (uint256) {
        return PendlePYOracleLib.getPtToAssetRate(market, 0);
    }

    function put(bytes4 selector, bytes calldata answer) external { answers[selector] = answer; }

    function make(bytes memory code) external returns (address made) {
        assembly { made := create(0, add(code, 32), mload(code)) }
        require(made != address(0), "not made");
    }

    fallback(bytes calldata) external returns (bytes memory) { return answers[msg.sig]; }
}
"""


def compiled(package: Path) -> str:
    """The harness's creation code."""
    modules = ensure().root / "node_modules"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Harness.sol").write_text(HARNESS)
        asked = {
            "compiler": str(modules / "solc-0.8.27"),
            "roots": {"golden/": folder, "@pendle/core-v2/": str(package), "": str(modules)},
            "input": {
                "language": "Solidity",
                "sources": {"golden/Harness.sol": {}},
                "settings": {
                    "optimizer": {"enabled": True, "runs": 200},
                    "outputSelection": {"golden/Harness.sol": {"Harness": ["evm.bytecode.object"]}},
                },
            },
        }
        command = (find_node(), str(PROGRAM))
        done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert "contracts" in answer, answer
    return str(answer["contracts"]["golden/Harness.sol"]["Harness"]["evm"]["bytecode"]["object"])


class Harness:
    """The libraries on an empty chain."""

    def __init__(self, evm: Evm, code: str) -> None:
        self.evm, self.code = evm, code
        self.address = evm.create(SOMEONE, code)

    def maths(self, function: str, x: int) -> str:
        said = self.asked(f"{function}(int256)", ["int256"], [x])
        return str(decode(["int256"], said.output)[0]) if said.succeeded else "REVERT"

    def trade(self, given: Mapping[str, str]) -> Mapping[str, str] | str:
        state = [int(given.get(key, 0)) for key in ("total_pt", "total_sy", "total_lp", "treasury", "scalar_root", "expiry")]
        state += [int(given[key]) for key in ("ln_fee_rate_root", "reserve_fee_percent", "last_ln_implied_rate")]
        state[3] = "0x" + "00" * 20  # type: ignore[call-overload]
        name = given["kind"].removesuffix("_pt")
        rest = [int(given[key]) for key in ("sy_index", "pt_amount", "block_time")]
        types = [STATE, "uint256", "uint256", "uint256"]
        said = self.asked(f"{name}({','.join(types)})", types, [tuple(state), *rest])
        if not said.succeeded:
            return "REVERT"
        shared, *done = decode(["(int256,int256,int256,int256)", "uint256", "uint256", "uint256", "uint256"], said.output)
        return dict(zip(OUT, map(str, (*shared, *done)), strict=True))

    def asked(self, signature: str, types: Sequence[str], values: Sequence[object], target: str = "") -> Outcome:
        data = keccak(text=signature)[:4] + encode(types, values)
        return self.evm.send(SOMEONE, Call(target or self.address, data))


def market_of(address: str, contracts: Mapping[str, str], expiry: int) -> Market:
    """A market of a made-up asset."""
    asset = Asset(31_337, "0x" + "a5" * 20, "USDG", 18)
    return Market("pendle:USDG", "pendle", address, asset, tuple(sorted(contracts.items())), numbers=(("expiry", expiry),))


OUT: Final = (
    *("rate_scalar", "total_asset", "rate_anchor", "fee_rate"),
    *("net_sy", "net_sy_fee", "net_sy_to_reserve", "ln_implied_rate_after"),
)


def spread(rng: random.Random, low: float, high: float) -> int:
    """Evenly over the powers of ten."""
    return int(10 ** rng.uniform(low, high))


def some_exponent(rng: random.Random) -> int:
    edges = [10**18 * whole + step for whole in (-42, -41, 0, 1, 64, 128, 130, 131) for step in (-1, 0, 1)]
    return rng.choice([rng.randint(-42 * 10**18, 132 * 10**18), rng.randint(-(10**18), 3 * 10**18), rng.choice(edges)])


def some_number(rng: random.Random) -> int:
    edges = [9 * 10**17, 10**18, 11 * 10**17]
    return rng.choice(
        [spread(rng, 0, 76.7), rng.randint(88 * 10**16, 112 * 10**16), rng.choice(edges) + rng.randint(-1, 1), 0, -5]
    )


def some_trade(rng: random.Random) -> dict[str, str]:
    """Mostly trades a market would do, and some beyond every edge."""
    pt = spread(rng, 3, 30)
    asset = max(1, pt * rng.randint(2_000, 60_000) // rng.choice((10_000, 10_000, 10_000, 10_000_000)))
    index = rng.choice((10**18, spread(rng, 17, 19)))
    time = 1_700_000_000
    return {
        "kind": rng.choice(("sell_pt", "buy_pt")),
        "total_pt": str(pt),
        "total_sy": str(asset * 10**18 // index),
        "scalar_root": str(rng.choice((spread(rng, 17, 21.5), spread(rng, 19, 21)))),
        "expiry": str(time + rng.choice((0, 1, *(spread(rng, 5, 7.8) for _ in range(8)), spread(rng, 1, 8.5)))),
        "ln_fee_rate_root": str(rng.choice((0, spread(rng, 13, 17), spread(rng, 14, 16)))),
        "reserve_fee_percent": str(rng.choice((0, 80, rng.randint(0, 100)))),
        "last_ln_implied_rate": str(rng.choice((0, spread(rng, 15, 19), *(spread(rng, 16, 18) for _ in range(4))))),
        "sy_index": str(index),
        "block_time": str(time),
        "pt_amount": str(rng.choice((0, 1, pt - 1, pt, spread(rng, 0, 31), *(pt // spread(rng, 0.5, 5) for _ in range(16))))),
    }


class MarketOnChain:
    """PendleMarketV7 as shipped. SY, PT, YT, gauge, factory and reward token are stand-ins: they say what a market must hear."""

    def __init__(self, harness: Harness, package: Path) -> None:
        self.harness, self.evm = harness, harness.evm
        self.sy, self.pt, self.yt, self.world, self.reward = (self.evm.create(SOMEONE, harness.code) for _ in range(5))
        self.expiry = self.evm.timestamp + 90 * 86_400
        for token in (self.sy, self.pt):
            self.answer(token, "balanceOf(address)", "uint256", 2**120)
            self.answer(token, "transfer(address,uint256)", "bool", True)
        for signature, text in (("name()", "PT golden"), ("symbol()", "PT-G")):
            self.answer(self.pt, signature, "string", text)
        self.answer(self.pt, "SY()", "address", self.sy)
        self.answer(self.pt, "YT()", "address", self.yt)
        self.answer(self.pt, "expiry()", "uint256", self.expiry)
        self.answer(self.sy, "getRewardTokens()", "address[]", ())
        self.answer(self.sy, "claimRewards(address)", "uint256[]", ())
        self.answer(self.yt, "doCacheIndexSameBlock()", "bool", False)
        self.answer(self.world, "pendle()", "address", self.reward)
        self.answer(self.reward, "balanceOf(address)", "uint256", 0)
        self.configure(80)
        self.value(10**18, 10**18)
        self.address = self.made(package)

    def made(self, package: Path) -> str:
        """The market, created by the stand-in that plays its factory."""
        artefacts = package / "build" / "artifacts" / "contracts" / "core" / "Market"
        library, market = (
            json.loads((artefacts / f"{name}.sol" / f"{name}.json").read_text()) for name in ("OracleLib", "PendleMarketV7")
        )
        linked = self.evm.create(SOMEONE, library["bytecode"]).removeprefix("0x")
        code = str(market["bytecode"]).removeprefix("0x")
        for place in market["linkReferences"]["contracts/core/Market/OracleLib.sol"]["OracleLib"]:
            start = 2 * place["start"]
            code = code[:start] + linked + code[start + 40 :]
        arguments = encode(
            ["address", "int256", "int256", "uint80", "address"], [self.pt, 40 * 10**18, 11 * 10**17, 10**15, self.world]
        )
        said = self.harness.asked("make(bytes)", ["bytes"], [bytes.fromhex(code) + arguments], self.world)
        assert said.succeeded, said.output
        return str(decode(["address"], said.output)[0])

    def answer(self, stand_in: str, signature: str, kind: str, value: object) -> None:
        put = [keccak(text=signature)[:4], encode([kind], [value])]
        assert self.harness.asked("put(bytes4,bytes)", ["bytes4", "bytes"], put, stand_in).succeeded

    def configure(self, reserve_percent: int) -> None:
        put = [keccak(text="getMarketConfig(address,address)")[:4]]
        said = encode(["address", "uint80", "uint8"], [SOMEONE, 0, reserve_percent])
        assert self.harness.asked("put(bytes4,bytes)", ["bytes4", "bytes"], [*put, said], self.world).succeeded

    def value(self, index_wad: int, rate_wad: int) -> None:
        """What SY is worth, and the index that principal tokens know."""
        self.answer(self.sy, "exchangeRate()", "uint256", rate_wad)
        for signature in ("pyIndexCurrent()", "pyIndexStored()"):
            self.answer(self.yt, signature, "uint256", index_wad)

    def walk(self, rng: random.Random) -> dict[str, Any]:
        """Trades at growing times and indices, each with the answers before it."""
        opened = ["address", "uint256", "uint256"], [SOMEONE, 9 * 10**23, 10**24]
        assert self.harness.asked("mint(address,uint256,uint256)", *opened, self.address).succeeded
        index_wad, steps = 10**18, []
        for _ in range(40):
            self.evm.warp(rng.choice((1, 3_600, 86_400, 14 * 86_400)))
            index_wad += index_wad * rng.randint(0, 10) // 10_000
            self.value(index_wad, index_wad - rng.choice((0, 0, 0, index_wad // 50)))
            self.configure(rng.choice((0, 20, 80)))
            steps.append(self.step(rng))
        roles = {"sy": self.sy, "pt": self.pt, "yt": self.yt}
        return {"address": self.address, "contracts": roles, "expiry": self.expiry, "steps": steps}

    def step(self, rng: random.Random) -> dict[str, Any]:
        calls = Pendle().reads(market_of(self.address, {"sy": self.sy, "pt": self.pt, "yt": self.yt}, self.expiry))
        price = self.harness.asked("price(address)", ["address"], [self.address])
        step: dict[str, Any] = {
            "timestamp": self.evm.timestamp,
            "answers": [answer.hex() for answer in self.evm.ask(calls)],
            "price": str(decode(["uint256"], price.output)[0]),
            "kind": rng.choice(("sell", "buy")),
            "pt": str(rng.choice((0, 1, spread(rng, 2, 6), *(spread(rng, 18, 24) for _ in range(4))))),
        }
        name = "swapExactPtForSy" if step["kind"] == "sell" else "swapSyForExactPt"
        values = [SOMEONE, int(step["pt"]), b""]
        said = self.harness.asked(f"{name}(address,uint256,bytes)", ["address", "uint256", "bytes"], values, self.address)
        step["out"] = [str(n) for n in decode(["uint256", "uint256"], said.output)] if said.succeeded else "REVERT"
        step["after"] = self.evm.ask(calls[:1])[0].hex()
        return step


def main() -> None:
    package = Path(sys.argv[1])
    rng = random.Random(611)
    harness = Harness(Evm.empty(), compiled(package))
    exponents, numbers = [some_exponent(rng) for _ in range(120)], [some_number(rng) for _ in range(120)]
    trades = [some_trade(rng) for _ in range(110)]
    content: dict[str, Any] = {
        "source": SOURCE,
        "exp": [[str(x), harness.maths("exp", x)] for x in exponents],
        "ln": [[str(x), harness.maths("ln", x)] for x in numbers],
        "trades": [{"in": given, "out": harness.trade(given)} for given in trades],
        "market": MarketOnChain(harness, package).walk(rng),
    }
    GOLDEN.write_text(json.dumps(content, indent=0) + "\n")


if __name__ == "__main__":
    main()
