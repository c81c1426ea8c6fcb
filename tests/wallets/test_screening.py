"""A screening list is read whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from strategies.errors import SettingsError
from wallets import screening
from wallets.screening import Screening, Unscreened

LISTED = "0x" + "aB" * 20
CONTENT: dict[str, Any] = {"source": "OFAC SDN, digital currency addresses", "taken_at": 1_700_000_000, "addresses": [LISTED]}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "list.json"
    path.write_text(json.dumps(content))
    return path


def test_a_list_is_read_and_its_addresses_compared_as_bytes(tmp_path: Path) -> None:
    found = screening.read(written(tmp_path, CONTENT))
    assert found == Screening(CONTENT["source"], 1_700_000_000, frozenset({"0x" + "ab" * 20}))
    assert screening.look(written(tmp_path, CONTENT)) == found
    upper = {**CONTENT, "addresses": [LISTED.upper(), LISTED.lower()]}
    assert screening.read(written(tmp_path, upper)).addresses == found.addresses


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"source": None}, "source must say who published"),
        ({"source": ""}, "source must say who published"),
        ({"source": "a\nb"}, "source must say who published"),
        ({"source": "x" * 201}, "source must say who published"),
        ({"taken_at": None}, "taken_at must say when"),
        ({"taken_at": True}, "taken_at must say when"),
        ({"taken_at": 0}, "taken_at must say when"),
        ({"taken_at": -5}, "taken_at must say when"),
        ({"taken_at": "2026-11-22"}, "taken_at must say when"),
        ({"addresses": None}, "addresses must be a list"),
        ({"addresses": []}, "an empty one is a list that was lost"),
        ({"addresses": {LISTED: 1}}, "addresses must be a list"),
        ({"addresses": [LISTED, LISTED[:-1]]}, "addresses[1] is no address"),
        ({"addresses": [LISTED + "\n"]}, "addresses[0] is no address"),
        ({"addresses": [LISTED[2:]]}, "addresses[0] is no address"),
        ({"addresses": [5]}, "addresses[0] is no address"),
        ({"more": 1}, "'more' is no key of it"),
    ],
)
def test_a_list_that_is_not_whole_is_refused(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    path = written(tmp_path, {key: value for key, value in (CONTENT | changed).items() if value is not None})
    with pytest.raises(SettingsError) as caught:
        screening.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)
    assert screening.look(path) == Unscreened(str(caught.value))


def test_a_list_that_is_not_there_says_so(tmp_path: Path) -> None:
    found = screening.look(tmp_path / "none.json")
    assert isinstance(found, Unscreened)
    assert "it cannot be read (No such file or directory)" in found.why


def test_a_list_that_others_may_change_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, CONTENT)
    path.chmod(0o666)
    found = screening.look(path)
    assert isinstance(found, Unscreened)
    assert "others may write to it" in found.why


def test_no_list_is_named_and_none_is_missed() -> None:
    assert screening.look(None) == Unscreened()
