"""A keeper's house without a chain: a folder of mode 0700 with settings, deployment, keystore and people's keys, and the keeper
over it in this process. What needs no block is tried on it: signatures, settings, keys, logs, history.

Refuses to reach any endpoint: the one it names does not exist."""

import json
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from agent.verify.attacks.outcome import Setting
from agent.verify.attacks.reference import limits_of, nested
from strategies.domain import NATIVE
from wallets import keystore, operators, secrecy
from wallets.signer import Signer

NOWHERE: Final = "http://127.0.0.1:9"  # the discard port: nothing answers
CHAIN: Final = 31_337
PEOPLE: Final = ("alice", "bob", "carol")
TREASURY: Final = "0x" + "7e" * 20
MARKETS: Final = ("aave_v3:USDC", "mm_usdc", "comet:USDC")
ASSETS: Final = (("USDC", 6), ("USDT", 6), ("DAI", 18), ("WETH", 18), ("WBTC", 8), ("WSTETH", 18))


@dataclass(frozen=True, slots=True)
class Premises:
    """The folder, and what a test of it needs to know."""

    folder: Path
    password: secrecy.Password
    account: str
    content: Mapping[str, Any]  # the settings file, nested
    deployment: Mapping[str, Any]
    signer: Signer

    @property
    def config(self) -> Path:
        return self.folder / "usufruct.toml"

    @property
    def keystore(self) -> Path:
        return self.folder / "keystore.json"

    @property
    def deployment_file(self) -> Path:
        return self.folder / "deployment.json"

    def write(self) -> None:
        """Settings and deployment as they should be."""
        self.write_settings(toml(self.content))
        self.write_deployment(self.deployment)

    def write_settings(self, text: str) -> None:
        """A settings file of any text."""
        self.config.unlink(missing_ok=True)
        secrecy.write_new(self.config, text.encode("utf-8", "surrogateescape"))

    def write_deployment(self, content: object) -> None:
        """A deployment file of any content."""
        self.deployment_file.unlink(missing_ok=True)
        secrecy.write_new(self.deployment_file, json.dumps(content).encode())

    def another(self) -> "Premises":
        """The same files in a folder of their own, with no history."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        (folder / "keystore.json").hardlink_to(self.keystore)
        for name in PEOPLE:
            (folder / f"{name}.pem").hardlink_to(self.folder / f"{name}.pem")
        other = replace(self, folder=folder)
        other.write()
        return other


@contextmanager
def premises(setting: Setting) -> Iterator[Premises]:
    """A house for one run, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield build(Path(folder), setting)


def build(folder: Path, setting: Setting) -> Premises:
    """Keys, settings and deployment in a folder of mode 0700."""
    password = secrecy.Password(secrets.token_urlsafe(24))
    account = keystore.create(folder / "keystore.json", password)
    public = {name: operators.create(folder / f"{name}.pem", password) for name in PEOPLE}
    content = settings_of(setting, account, public)
    found = Premises(folder, password, account, content, deployment_of(), keystore.unlock(folder / "keystore.json", password))
    found.write()
    return found


def settings_of(setting: Setting, account: str, public_keys: Mapping[str, str]) -> dict[str, Any]:
    """The assumed policy as a whole settings file of ours."""
    policy = nested(limits_of(setting.policy))
    people = [{"name": name, "public_key": key} for name, key in public_keys.items()]
    acting = {"chain_id": CHAIN, "account": account, "treasury": TREASURY, "markets": list(MARKETS), "borrow_markets": []}
    return {
        "chain": {"endpoint": NOWHERE, "deployment": "deployment.json", "read_timeout_seconds": 1},
        "policy": {**acting, **policy, "operators": people},
        "wallet": {"keystore": "keystore.json", "folder": "keeper"},
        "strategy": {
            "names": ["lending_rotation"],
            "stances": ["balanced"],
            "asset": "USDC",
            "cadence_seconds": 3_600,
            "lending_rotation": {"lookback_seconds": 86_400, "threshold_bps": 25, "count": 1, "max_idle_bps": 100},
            "gate": {
                "horizon_seconds": 2_592_000,
                "lookback_seconds": 86_400,
                "cost_multiple_bps": 10_000,
                "min_wait_seconds": 0,
                "min_change_bps": 0,
                "max_base_fee_gwei": 100,
            },
        },
        "prices": {"exchanges": [], "symbols": {}, "max_deviation_bps": 100, "max_age_seconds": 300, "timeout_seconds": 1},
        "run": {"folder": "."},
    }


def deployment_of() -> dict[str, Any]:
    """The catalogue's registry in our format: its markets as recorded ones, because no chain stands behind them here."""
    assets = [
        {"symbol": symbol, "address": _address(at), "decimals": decimals} for at, (symbol, decimals) in enumerate(ASSETS, 1)
    ]
    markets = [
        {"id": name, "protocol": "recorded_index", "address": _address(at), "asset": "USDC", "contracts": {}}
        for at, name in enumerate(MARKETS, 0x101)
    ]
    return {
        "chain_id": CHAIN,
        "name": "catalogue",
        "multicall": _address(0xCA),
        "code": {},
        "assets": [*assets, {"symbol": "ETH", "address": NATIVE, "decimals": 18}],
        "markets": markets,
    }


def _address(number: int) -> str:
    return f"0x{number:040x}"


def toml(content: Mapping[str, Any], literals: Mapping[str, str] | None = None) -> str:
    """A nested record as TOML, one dotted key a line; `literals` are written as they stand, over what the record says."""
    lines = dict(_lines(content)) | dict(literals or {})
    return "".join([f"{key} = {value}\n" for key, value in lines.items()])


def _lines(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _lines(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _literal(value)


def _literal(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join([f"{key} = {_literal(inner)}" for key, inner in value.items()]) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join([_literal(inner) for inner in value]) + "]"
    return json.dumps(value)


def clock() -> Callable[[], int]:
    """The system's time, in whole seconds."""
    return lambda: int(time.time())
