"""Compiling: what a unit asks for, what is kept under which key, and what a refused source leaves behind."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.devnet import compile as compiling
from agent.devnet.artefacts import Artefacts, Bytecode
from agent.devnet.compile import OPTIMIZED, OURS, Unit, compile_units
from agent.devnet.deploy import UNITS
from agent.devnet.errors import CompilationFailed

COMPILER = "solc-0.8.27"
HEADER = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\n"
BOX = HEADER + "contract Box { uint256 public kept; function keep(uint256 what) external { kept = what; } }\n"
LINKED = (
    HEADER
    + "library Sums { function sum(uint256 a, uint256 b) external pure returns (uint256) { return a + b; } }\n"
    + "contract Linked { function sum(uint256 a) external pure returns (uint256) { return Sums.sum(a, 1); } }\n"
)


@pytest.fixture
def solidity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of our own sources with one contract in it."""
    folder = tmp_path / "solidity"
    folder.mkdir()
    (folder / "Box.sol").write_text(BOX)
    monkeypatch.setattr(compiling, "SOLIDITY", folder)
    return folder


def unit(*names: str, **settings: Any) -> Unit:
    return Unit("mine", COMPILER, tuple(f"{OURS}{name}.sol" for name in names), settings or OPTIMIZED)


def answering(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A compiler that answers this to what it was asked."""

    def run(command: tuple[str, ...], *, input: str, **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, json.dumps(answer(json.loads(input))), "")

    return run


def everything(code: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An answer with this code for each contract that is asked for."""

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        bytecode = {"evm": {"bytecode": {"object": code, "linkReferences": {}}}}
        wanted = asked["input"]["settings"]["outputSelection"]
        return {"contracts": {source: dict.fromkeys(names, bytecode) for source, names in wanted.items()}}

    return answer


def test_what_is_kept_is_read_and_not_compiled_again(monkeypatch: pytest.MonkeyPatch, solidity: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(compiling.subprocess, "run", answering(everything("aa")))
    first = compile_units((unit("Box"),), Artefacts(tmp_path), home=tmp_path)
    assert first == {"mine": {"Box": Bytecode("Box", "aa", ())}}
    monkeypatch.setattr(compiling.subprocess, "run", lambda *_, **__: pytest.fail("it was compiled again"))
    assert compile_units((unit("Box"),), Artefacts(tmp_path), home=tmp_path) == first


def test_a_changed_source_setting_or_compiler_is_compiled_anew(solidity: Path) -> None:
    before = unit("Box").key()
    assert unit("Box").key() == before
    assert unit("Box", viaIR=True).key() != before
    assert Unit("mine", "solc-0.8.19", unit("Box").sources).key() != before
    (solidity / "Box.sol").write_text(BOX + "\n")
    assert unit("Box").key() != before


def test_a_change_of_our_sources_leaves_a_unit_of_others_alone(solidity: Path) -> None:
    theirs = Unit("theirs", COMPILER, ("@theirs/src/Pool.sol",))
    before = theirs.key()
    (solidity / "Box.sol").write_text(BOX + "\n")
    assert theirs.key() == before


def test_a_refused_source_is_named_and_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, solidity: Path, tmp_path: Path) -> None:
    error = {"severity": "error", "formattedMessage": "ParserError: expected ';'"}
    monkeypatch.setattr(compiling.subprocess, "run", answering(lambda _: {"errors": [error]}))
    with pytest.raises(CompilationFailed, match=r"the contracts of mine do not compile: ParserError: expected ';'"):
        compile_units((unit("Box"),), Artefacts(tmp_path), home=tmp_path)
    assert list((tmp_path / "compiled").iterdir()) == []


def test_a_warning_is_no_error(monkeypatch: pytest.MonkeyPatch, solidity: Path, tmp_path: Path) -> None:
    warning = {"severity": "warning", "formattedMessage": "Warning: unused"}
    monkeypatch.setattr(compiling.subprocess, "run", answering(lambda asked: everything("bb")(asked) | {"errors": [warning]}))
    assert compile_units((unit("Box"),), Artefacts(tmp_path), home=tmp_path)["mine"]["Box"].code == "bb"


def test_a_compiler_that_ends_badly_is_reported_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, solidity: Path, tmp_path: Path
) -> None:
    def die(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "a\nError: no such module")

    monkeypatch.setattr(compiling.subprocess, "run", die)
    with pytest.raises(CompilationFailed, match="no such module"):
        compile_units((unit("Box"),), Artefacts(tmp_path), home=tmp_path)


def test_units_have_different_names_and_each_contract_one_source() -> None:
    assert len({unit.name for unit in UNITS}) == len(UNITS)
    for one in UNITS:
        names = [compiling.contract_of(source) for source in one.sources]
        assert len(set(names)) == len(names)


@pytest.mark.chain
def test_our_own_source_goes_through_the_real_compiler_with_its_links(
    artefacts: Artefacts, solidity: Path, tmp_path: Path
) -> None:
    (solidity / "Linked.sol").write_text(LINKED)
    made = compile_units((unit("Box", "Linked"),), artefacts, home=tmp_path)["mine"]
    assert bytes.fromhex(made["Box"].code)
    assert {library for library, _ in made["Linked"].links} == {"Sums"}
    assert "__" not in made["Linked"].linked({"Sums": "0x" + "11" * 20})


@pytest.mark.chain
def test_a_source_that_imports_what_is_not_there_is_refused(artefacts: Artefacts, solidity: Path, tmp_path: Path) -> None:
    (solidity / "Box.sol").write_text(HEADER + 'import "nowhere/Nothing.sol";\n' + "contract Box {}\n")
    with pytest.raises(CompilationFailed, match=r"nowhere/Nothing\.sol"):
        compile_units((unit("Box"),), artefacts, home=tmp_path)
