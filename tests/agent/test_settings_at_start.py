"""What must be true before a run starts: a deployment that fits, and for live a chain, a person, a key and its file."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from agent.settings import (
    EXAMPLE,
    GateSettings,
    RotationSettings,
    Settings,
    decide_settings,
    load_deployment,
    load_settings,
    require_live,
)
from strategies.errors import SettingsError
from strategies.lending_rotation import LendingRotation
from strategies.rebalance import Gate
from wallets import acknowledged
from wallets.acknowledged import Acknowledgement
from wallets.policy import TESTNETS

ROOT = Path(__file__).parents[2]
ADA = {"name": "ada", "public_key": "ab" * 32}
ACCOUNT = "0x" + "12" * 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "usufruct.toml"
    path.write_bytes((ROOT / EXAMPLE).read_bytes())
    return path


def deployment_content(**changed: object) -> dict[str, object]:
    token = "0x" + "aa" * 20
    roles = {role: f"0x{at:040x}" for at, role in enumerate(("receipt", "debt", "strategy", "oracle"), start=16)}
    markets = [
        {"id": f"aave-{name}:USDC", "protocol": "aave_v3", "address": f"0x{at:040x}", "asset": "USDC", "contracts": roles}
        for at, name in enumerate(("core", "prime"), start=1)
    ]
    assets = [{"address": token, "symbol": "USDC", "decimals": 6}]
    content: dict[str, object] = {"chain_id": 31337, "name": "local", "multicall": "0x" + "cc" * 20}
    return content | {"assets": assets, "markets": markets, "code": {}} | changed


def write_deployment(settings: Settings, content: object) -> None:
    settings.chain.deployment.parent.mkdir(parents=True, exist_ok=True)
    settings.chain.deployment.write_text(json.dumps(content))


def test_a_deployment_that_fits_is_loaded(file: Path) -> None:
    settings = load_settings(file, {})
    write_deployment(settings, deployment_content())
    assert load_deployment(settings).chain_id == 31337


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"policy.chain_id": 11155111}, "policy.chain_id: found 11155111; the deployment is of chain 31337"),
        ({"policy.markets": ["aave-cor:USDC"]}, "has no 'aave-cor:USDC'; did you mean aave-core:USDC?"),
        ({"strategy.asset": "USDT"}, "strategy.asset: the deployment has no 'USDT'"),
        ({"prices.symbols": {"ETH": "ETH/USD"}}, "prices.symbols: the deployment has no 'ETH'"),
    ],
)
def test_a_deployment_that_does_not_fit_is_refused(file: Path, overrides: dict[str, object], told: str) -> None:
    settings = load_settings(file, overrides)
    write_deployment(settings, deployment_content())
    with pytest.raises(SettingsError) as caught:
        load_deployment(settings)
    (line,) = str(caught.value).split("\n")
    assert told in line


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"{}", b"\xff"])
def test_a_deployment_that_cannot_be_read_is_refused(file: Path, content: bytes | None) -> None:
    settings = load_settings(file, {})
    if content is not None:
        settings.chain.deployment.parent.mkdir(parents=True)
        settings.chain.deployment.write_bytes(content)
    with pytest.raises(SettingsError, match="deployment"):
        load_deployment(settings)


def test_parameters_arrive_in_the_strategies_unchanged(file: Path) -> None:
    settings = load_settings(file, {"strategy.names": ["lending_rotation", "equal_weight", "idle"]})
    write_deployment(settings, deployment_content())
    deployment = load_deployment(settings)
    decides = decide_settings(settings, deployment)
    usdc = deployment.asset("USDC")
    assert decides.asset == usdc
    assert decides.menu.strategy("lending_rotation") == LendingRotation(usdc, 3600, 86_400, 25, 1, 100)
    assert decides.gate == Gate(2_592_000, 86_400, 20_000, 86_400, 50, 50)
    assert [name for name, _ in decides.menu.strategies] == ["lending_rotation", "equal_weight", "idle"]
    assert decides.menu.stances == ("conservative",)


def test_the_shapes_have_exactly_the_parameters_of_what_they_describe() -> None:
    assumed = {"touch_fee_raw"}  # by a run over a tape: no chain that is signed on charges it
    assert set(GateSettings.model_fields) == {field.name for field in fields(Gate)} - assumed
    own = {field.name for field in fields(LendingRotation)} - {"asset", "cadence_seconds"}
    assert set(RotationSettings.model_fields) == own


@pytest.fixture
def live(file: Path) -> dict[str, Any]:
    """Overrides with which a live run may start, and their files."""
    keystore = file.parent / "keystore.json"
    keystore.write_text(json.dumps({"version": 3, "address": ACCOUNT[2:]}))
    keystore.chmod(0o600)
    said = Acknowledgement("ada", 1, acknowledged.text_digest(), "")
    acknowledged.put(file.parent / "keeper", said)
    named = {"policy.account": ACCOUNT, "policy.operators": [ADA], "wallet.keystore": str(keystore)}
    return named | {"wallet.folder": str(file.parent / "keeper"), "policy.compliance.screening": str(file.parent / "list.json")}


def refused_live(file: Path, overrides: Mapping[str, object]) -> str:
    with pytest.raises(SettingsError) as caught:
        require_live(load_settings(file, overrides))
    (line,) = str(caught.value).split("\n")
    return line


def test_a_safe_live_run_may_start(file: Path, live: dict[str, Any]) -> None:
    for chain_id in TESTNETS:
        require_live(load_settings(file, live | {"policy.chain_id": chain_id}))


@pytest.mark.parametrize("chain_id", [1, 8453, 42161, 10, 137, 56, 31338])
def test_a_chain_that_is_not_listed_is_never_live(file: Path, live: dict[str, Any], chain_id: int) -> None:
    line = refused_live(file, live | {"policy.chain_id": chain_id})
    assert f"live runs are on test chains only (31337, 84532, 421614, 11155111, 11155420), found {chain_id}" in line


def test_a_live_run_needs_a_person(file: Path, live: dict[str, Any]) -> None:
    assert "needs a person who can say yes" in refused_live(file, live | {"policy.operators": []})


def test_a_live_run_needs_its_keystore(file: Path, live: dict[str, Any]) -> None:
    line = refused_live(file, live | {"wallet.keystore": str(file.parent / "none.json")})
    assert "cannot be read (No such file or directory); `usufruct wallet create` makes a keystore" in line
    assert "is no file" in refused_live(file, live | {"wallet.keystore": str(file.parent)})


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o700])
def test_a_keystore_that_others_can_open_is_refused(file: Path, live: dict[str, Any], mode: int) -> None:
    Path(live["wallet.keystore"]).chmod(mode)
    assert f"is open to others (mode {mode:o}); run `chmod 600 " in refused_live(file, live)


def test_a_password_file_that_others_can_open_is_refused(file: Path, live: dict[str, Any]) -> None:
    password = file.parent / "password"
    password.write_text("x")
    password.chmod(0o644)
    assert "wallet.password_file" in refused_live(file, live | {"wallet.password_file": str(password)})
    password.chmod(0o600)
    require_live(load_settings(file, live | {"wallet.password_file": str(password)}))


def test_a_live_run_needs_an_acknowledgement_of_the_risks(file: Path, live: dict[str, Any]) -> None:
    line = refused_live(file, live | {"wallet.folder": str(file.parent / "elsewhere")})
    assert "nobody has acknowledged the risks yet: run `usufruct acknowledge`" in line


def test_a_live_run_needs_a_screening_list_wherever_there_are_others(file: Path, live: dict[str, Any]) -> None:
    alone = live | {"policy.compliance.screening": "none"}
    require_live(load_settings(file, alone))
    line = refused_live(file, alone | {"policy.chain_id": 11155111})
    assert line.startswith("policy.compliance.screening: only a private chain needs no list of addresses")


def test_mainland_china_has_no_live_run_and_hong_kong_has(file: Path, live: dict[str, Any]) -> None:
    line = refused_live(file, live | {"policy.compliance.jurisdiction": "CN"})
    assert line.startswith("policy.compliance.jurisdiction: in CN this program runs backtests and paper only")
    require_live(load_settings(file, live | {"policy.compliance.jurisdiction": "HK"}))


@pytest.mark.parametrize("content", ["{}", "[]", "no json", json.dumps({"address": "34" * 20})])
def test_a_keystore_of_another_account_is_refused(file: Path, live: dict[str, Any], content: str) -> None:
    Path(live["wallet.keystore"]).write_text(content)
    assert f"policy.account: found {ACCOUNT}, but the keystore holds " in refused_live(file, live)
