"""Locking: what the lock says of each package the manifest names, and that it says nothing else."""

import json
import subprocess
from typing import Any

import pytest

from agent.devnet import lock
from agent.devnet.artefacts import LOCK, MANIFEST

MINE = {"name": "mine", "version": "1.0.0", "license": "MIT", "description": "not locked"}
SAID = {"version": "1.2.3", "license": "MIT", "dist.integrity": "sha512-x"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The packages the registry is asked for; each answer is the same."""
    names: list[str] = []

    def look_up(package: str) -> dict[str, Any]:
        names.append(package)
        return dict(SAID)

    monkeypatch.setattr(lock, "look_up", look_up)
    return names


def test_each_package_of_the_manifest_is_locked_by_its_hash_without_what_it_asks_for(asked: list[str]) -> None:
    manifest = MINE | {"dependencies": {"one": "1.2.3", "old": "npm:other@1.2.3"}, "optionalDependencies": {"node": "1.2.3"}}
    packages = lock.lock_of(manifest)["packages"]
    plain = {"version": "1.2.3", "integrity": "sha512-x", "license": "MIT"}
    assert packages.pop("") == {name: value for name, value in manifest.items() if name != "description"}
    assert packages == {
        "node_modules/node": plain | {"optional": True},
        "node_modules/old": plain | {"name": "other"},
        "node_modules/one": plain,
    }
    assert asked == ["node@1.2.3", "other@1.2.3", "one@1.2.3"]


@pytest.mark.parametrize("version", ["^1.2.3", "1.2", "latest", "npm:other@*", "file:elsewhere"])
def test_a_version_that_is_not_exact_is_refused(asked: list[str], version: str) -> None:
    with pytest.raises(ValueError, match="no exact version"):
        lock.lock_of(MINE | {"dependencies": {"one": version}, "optionalDependencies": {}})
    assert asked == []


def test_the_registry_is_asked_for_the_fields_that_are_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, json.dumps(SAID), "")

    monkeypatch.setattr(lock, "find_npm", lambda: ("npm",))
    monkeypatch.setattr(lock.subprocess, "run", run)
    assert lock.look_up("one@1.2.3") == SAID
    assert commands == [("npm", "view", "one@1.2.3", *lock.FIELDS, "--json")]


def test_the_lock_is_the_one_the_manifest_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, locked = json.loads(MANIFEST.read_text()), json.loads(LOCK.read_text())
    answers = {
        f"{entry.get('name', name.removeprefix('node_modules/'))}@{entry['version']}": entry
        for name, entry in locked["packages"].items()
        if name
    }

    def look_up(package: str) -> dict[str, Any]:
        said = {field: value for field, value in answers[package].items() if field not in ("name", "integrity", "optional")}
        return said | {"dist.integrity": answers[package]["integrity"]}

    monkeypatch.setattr(lock, "look_up", look_up)
    assert json.dumps(lock.lock_of(manifest), indent=2) + "\n" == LOCK.read_text()
