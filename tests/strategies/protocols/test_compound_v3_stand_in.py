"""The Comet stand-in's bytecode against the published vectors, which were made by executing Comet: so it stands for something."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from eth_abi.abi import encode

from agent.devnet import comet
from agent.devnet.artefacts import ensure
from agent.devnet.compile import compile_units
from agent.devnet.errors import ArtefactsMissing
from strategies.domain import Address
from tests.evm import Evm

VECTORS: Final = Path(__file__).parents[4] / "shared" / "benchmarks" / "vectors" / "compound_v3.json"
GOVERNOR: Final = "0x" + "60" * 20
INDICES_SLOT, TOTALS_SLOT = 4, 5  # where `totalsBasic` lies, four and four fields in a word
DECIMALS: Final = bytes.fromhex("60065f5260205ff3")  # a program that answers 6 to everything
CURVE: Final = ("kink", "slope_low", "slope_high", "base")

pytestmark = [
    pytest.mark.chain,
    pytest.mark.skipif(not VECTORS.exists(), reason="the shared folder with the published vectors is not beside this repository"),
]


def groups() -> dict[str, list[Any]]:
    return {group["name"]: group["cases"] for group in json.loads(VECTORS.read_text())["groups"]}


@pytest.fixture(scope="module")
def code() -> str:
    try:
        return compile_units(comet.UNITS, ensure())[comet.NAME][comet.CONTRACT].linked({})
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))


def created(evm: Evm, code: str, given: Mapping[str, str]) -> Address:
    """A stand-in with these curves; its tokens and feeds are asked for nothing here but decimals."""
    token = evm.create(GOVERNOR, "0x" + initcode(DECIMALS).hex())
    curves = [[int(given[f"{side}_{name}"]) for name in CURVE] for side in ("supply", "borrow")]
    arguments = encode(["address", "address", "uint256", "uint256[4]", "uint256[4]"], [token, token, 0, *curves])
    return evm.create(GOVERNOR, code + arguments.hex())


def initcode(runtime: bytes) -> bytes:
    """Creation code that puts this program there."""
    return bytes((0x60, len(runtime), 0x60, 12, 0x60, 0, 0x39, 0x60, len(runtime), 0x60, 0, 0xF3)) + runtime


def put(evm: Evm, made: Address, given: Mapping[str, str], suffix: str = "") -> None:
    """The indices and principals of a case, and now as the time of the last accrual."""
    indices = int(given[f"base_supply_index{suffix}"]) | int(given[f"base_borrow_index{suffix}"]) << 64
    totals = int(given["total_supply_principal"]) | int(given["total_borrow_principal"]) << 104 | evm.timestamp << 208
    evm.store(made, INDICES_SLOT, indices)
    evm.store(made, TOTALS_SLOT, totals)


def one(evm: Evm, made: Address, signature: str, *arguments: object) -> int:
    return int(evm.read(made, signature, "(uint256)", *arguments)[0])


def test_has_comets_rates_at_every_published_utilisation(code: str) -> None:
    evm, made = Evm.empty(), dict[str, Address]()
    for case in groups()["rates"]:
        given = case["in"]
        at = made.get(given["market"]) or created(evm, code, given)
        made[given["market"]] = at
        assert str(one(evm, at, "getSupplyRate(uint256)", int(given["utilization"]))) == case["out"]["supply_rate_per_second"]
        assert str(one(evm, at, "getBorrowRate(uint256)", int(given["utilization"]))) == case["out"]["borrow_rate_per_second"]


def test_has_comets_utilisation_of_published_totals(code: str) -> None:
    for case in groups()["protocol_tests"]:
        evm = Evm.empty()
        made = created(evm, code, case["in"])
        put(evm, made, case["in"])
        assert str(one(evm, made, "getUtilization()")) == case["out"]["utilization"]


def test_accrues_as_comet_does_along_every_published_trajectory(code: str) -> None:
    for case in groups()["accrual_trajectory"]:
        evm = Evm.empty()
        made = created(evm, code, case["in"])
        put(evm, made, case["in"], "0")
        for step in case["steps"]:
            assert str(one(evm, made, "getUtilization()")) == step["utilization"]
            evm.warp(int(step["dt"]))
            evm.transact(GOVERNOR, made, "accrueAccount(address)", GOVERNOR)
            totals = evm.read(made, "totalsBasic()", "(uint64,uint64,uint64,uint64,uint104,uint104,uint40,uint8)")
            assert [str(index) for index in totals[:2]] == [step["base_supply_index"], step["base_borrow_index"]]
