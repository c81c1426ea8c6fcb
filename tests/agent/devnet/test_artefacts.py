"""Fetching: what the lock may say, where an install lands, and what is said where there is no npm."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.devnet import artefacts
from agent.devnet.artefacts import (
    HERE,
    LOCK,
    MANIFEST,
    Artefacts,
    Bytecode,
    ensure,
    find_anvil,
    find_node,
    find_npm,
    install,
    lock_key,
)
from agent.devnet.errors import ArtefactsMissing

LOCKED: dict[str, dict[str, Any]] = {name: entry for name, entry in json.loads(LOCK.read_text())["packages"].items() if name}


def test_the_lock_has_no_download_address_and_names_no_host() -> None:
    text = LOCK.read_text() + MANIFEST.read_text()
    assert "resolved" not in text
    assert "://" not in text


def test_every_locked_package_has_one_sha512_integrity() -> None:
    assert LOCKED
    for name, entry in LOCKED.items():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", entry["integrity"]), name


def test_the_manifest_asks_for_exact_versions_and_the_lock_agrees() -> None:
    manifest = json.loads(MANIFEST.read_text())
    for name, asked in (manifest["dependencies"] | manifest["optionalDependencies"]).items():
        package, version = re.fullmatch(r"(?:npm:(\w+)@)?(\d+\.\d+\.\d+)", asked).groups()  # type: ignore[union-attr]
        locked = LOCKED[f"node_modules/{name}"]
        assert (locked.get("name"), locked["version"]) == (package, version)


def test_no_artefact_lies_in_the_repository() -> None:
    assert not (HERE / "node_modules").exists()


def test_without_npm_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefacts.shutil, "which", lambda _: None)
    monkeypatch.setattr(artefacts.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ArtefactsMissing, match=r"no npm was found.*install Node\.js.*requirements-node\.lock"):
        find_npm()


def test_without_npm_on_the_path_the_wheels_own_is_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node, script = tmp_path / "bin/node", tmp_path / "lib/node_modules/npm/bin/npm-cli.js"
    for path in (node, script):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    class Wheel:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(artefacts.shutil, "which", lambda _: None)
    monkeypatch.setattr(artefacts.importlib.util, "find_spec", lambda _: Wheel)
    assert find_npm() == (str(node), str(script))
    assert find_node() == str(node)


def test_the_compilers_run_on_the_node_that_is_beside_npm_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefacts.shutil, "which", lambda program: f"/programs/{program}")
    assert find_npm() == ("/programs/npm",)
    assert find_node() == "/programs/node"


def test_a_failed_install_leaves_nothing_that_could_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def half(command: tuple[str, ...], *, cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        (cwd / "node_modules").mkdir()
        return subprocess.CompletedProcess(command, 1, "", "integrity checksum failed")

    monkeypatch.setattr(artefacts, "find_npm", lambda: ("npm",))
    monkeypatch.setattr(artefacts.subprocess, "run", half)
    with pytest.raises(ArtefactsMissing, match="integrity checksum failed"):
        ensure(home=tmp_path)
    assert list((tmp_path / "artefacts").iterdir()) == []


def test_a_half_finished_install_of_a_killed_process_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "artefacts/.install-dead/tree/node_modules").mkdir(parents=True)
    asked: list[Path] = []
    monkeypatch.setattr(artefacts, "install", asked.append)
    assert ensure(home=tmp_path).root == asked[0] == tmp_path / "artefacts" / lock_key()


def test_a_finished_install_is_used_without_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finished = tmp_path / "artefacts" / lock_key()
    finished.mkdir(parents=True)
    monkeypatch.setattr(artefacts, "find_npm", lambda: pytest.fail("npm was looked for"))
    assert ensure(home=tmp_path) == Artefacts(finished)


def test_of_two_installs_at_once_the_first_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    final = tmp_path / "artefacts/key"

    def lose(command: tuple[str, ...], *, cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        final.mkdir(parents=True)
        (final / "theirs").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(artefacts, "find_npm", lambda: ("npm",))
    monkeypatch.setattr(artefacts.subprocess, "run", lose)
    install(final)
    assert [path.name for path in final.iterdir()] == ["theirs"]


def test_only_what_is_read_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fetch(command: tuple[str, ...], *, cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        for folder in ("viem/_esm", "viem/_cjs", "@aave/core-v3/artifacts/contracts", "@aave/core-v3/artifacts/build-info"):
            (cwd / "node_modules" / folder).mkdir(parents=True)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(artefacts, "find_npm", lambda: ("npm",))
    monkeypatch.setattr(artefacts.subprocess, "run", fetch)
    install(tmp_path / "key")
    kept = {path.name for path in (tmp_path / "key").rglob("*") if path.is_dir() and not any(path.iterdir())}
    assert kept == {"_cjs", "contracts"}


def test_npm_is_told_to_run_no_script_and_to_leave_peers_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[tuple[str, ...]] = []

    def note(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(artefacts, "find_npm", lambda: ("npm",))
    monkeypatch.setattr(artefacts.subprocess, "run", note)
    install(tmp_path / "artefacts/key")
    assert commands == [("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps")]


def test_another_lock_is_another_folder(tmp_path: Path) -> None:
    changed = tmp_path / "package-lock.json"
    changed.write_text(LOCK.read_text() + "\n")
    assert lock_key(changed) != lock_key()


def test_a_platform_without_a_node_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(artefacts.shutil, "which", lambda _: None)
    with pytest.raises(ArtefactsMissing, match=r"no local node.*anvil.* on the PATH"):
        find_anvil(tmp_path)


def test_linking_puts_every_library_in_its_place() -> None:
    code = Bytecode("Pool", "aa" + "_" * 40 + "bb" + "_" * 40, (("One", 1), ("Two", 22)))
    assert code.linked({"One": "0x" + "11" * 20, "Two": "0x" + "22" * 20}) == "0xaa" + "11" * 20 + "bb" + "22" * 20


@pytest.mark.chain
def test_the_install_has_the_node_and_every_kind_of_bytecode(artefacts: Artefacts) -> None:
    assert artefacts.anvil.is_file()
    assert {name for name, _ in artefacts.hardhat("@aave/core-v3", "FlashLoanLogic").links} == {"BorrowLogic"}
    for code in (artefacts.weth(), artefacts.multicall(), artefacts.hardhat("@uniswap/v3-core", "UniswapV3Pool")):
        assert bytes.fromhex(code.code)
    with pytest.raises(ArtefactsMissing, match="core-v3 has no contract Nothing"):
        artefacts.hardhat("@aave/core-v3", "Nothing")
