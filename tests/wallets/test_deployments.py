"""A deployment file says what exists, every key of it read."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from strategies.errors import SettingsError
from wallets.deployments import read_deployment

TOKEN = "0x" + "aa" * 20
CONTENT: dict[str, Any] = {
    "chain_id": 31337,
    "name": "local",
    "multicall": "0x" + "cc" * 20,
    "assets": [{"symbol": "USDC", "address": TOKEN, "decimals": 6}],
    "markets": [{"id": "one", "protocol": "recorded_index", "address": "0x" + "01" * 20, "asset": "USDC", "contracts": {}}],
    "code": {TOKEN: "0x" + "12" * 32},
}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "deployment.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def refused(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_deployment(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    found = read_deployment(written(tmp_path, CONTENT))
    assert found.asset("USDC").decimals == 6
    assert found.classes == {}


def test_what_it_says_of_an_assets_class_is_read(tmp_path: Path) -> None:
    said = CONTENT | {"classes": {"USDC": "open"}, "families": {"USDC": "dollar"}}
    assert read_deployment(written(tmp_path, said)).classes == {TOKEN: "open"}


def change(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Writes a value at a dotted place."""

    def apply(content: dict[str, Any]) -> None:
        *above, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
        place: Any = content
        for key in above:
            place = place[key]
        place[last] = value

    return apply


@pytest.mark.parametrize(
    ("apply", "told"),
    [
        (change("more", 1), "'more' is no key of it"),
        (change("assets.0.decimal", 6), "assets[0]: 'decimal' is no key of it"),
        (change("markets.0.adress", TOKEN), "markets[0]: 'adress' is no key of it"),
        (change("assets.0.decimals", "6"), "decimals must be a whole number from 0 to 36"),
        (change("assets.0.decimals", True), "decimals must be a whole number from 0 to 36"),
        (change("assets.0.decimals", -6), "decimals must be a whole number from 0 to 36"),
        (change("assets.0.decimals", 600), "decimals must be a whole number from 0 to 36"),
        (change("assets.0.decimals", 6.0), "it holds the figure 6.0; write a whole number"),
        (change("chain_id", True), "chain_id: true and false are no figures"),
        (change("chain_id", float("nan")), "it holds the figure NaN"),
        (change("assets", []), "assets must be a list of records, and not an empty one"),
        (change("markets", {}), "markets must be a list of records"),
        (change("assets.0", "USDC"), "assets must be a list of records"),
        (change("assets.0.address", "0x" + "00" * 20), "assets[0].address: nothing lives at the zero address"),
        (change("markets.0.address", "0X" + "00" * 20), "markets[0].address: nothing lives at the zero address"),
        (change("markets.0.contracts", {"pool": "0x" + "00" * 20}), "markets[0].contracts.pool: nothing lives at the zero"),
        (change("code", {"0x" + "00" * 20: "0x12"}), "nothing lives at the zero address"),
        (change("multicall", "0x" + "00" * 20), "multicall: nothing lives at the zero address"),
        (change("multicall", "0x12"), "is no address"),
        (change("classes", {"USDC": "fine"}), "'fine' is no class of assets"),
        (change("markets.0.protocol", "own"), "protocol 'own' has no adapter"),
    ],
)
def test_what_is_not_meant_is_refused(tmp_path: Path, apply: Callable[[dict[str, Any]], None], told: str) -> None:
    content = deepcopy(CONTENT)
    apply(content)
    assert told in refused(written(tmp_path, content))


def test_a_market_that_stands_there_twice_is_refused_and_so_is_a_key(tmp_path: Path) -> None:
    assert "market one twice" in refused(written(tmp_path, CONTENT | {"markets": CONTENT["markets"] * 2}))
    text = json.dumps(CONTENT)[:-1] + ',\n"multicall": "' + TOKEN + '"}'
    assert ":2: the key 'multicall' stands there twice" in refused(written(tmp_path, text))


def test_a_file_that_is_missing_or_that_others_may_change_is_refused(tmp_path: Path) -> None:
    assert "it cannot be read (No such file or directory)" in refused(tmp_path / "none.json")
    path = written(tmp_path, CONTENT)
    path.chmod(0o666)
    assert "others may write to it" in refused(path)


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", False),  # from EIP-55
        ("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", False),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", True),
        ("0x5AaEB6053f3e94c9B9a09F33669435e7eF1bEaED", True),
    ],
)
def test_an_address_whose_capitals_are_not_its_checksum_is_refused(tmp_path: Path, address: str, is_refused: bool) -> None:
    content = {**CONTENT, "multicall": address}
    if is_refused:
        assert "multicall: the capitals of" in refused(written(tmp_path, content))
    else:
        assert read_deployment(written(tmp_path, content)).multicall == address.lower()
