"""What the demo plays on: a private chain, a fresh key, one operator, a settings file. Touches nothing outside its folder."""

import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from strategies.errors import SettingsError
from strategies.units import WAD
from wallets import keystore, operators, secrecy
from wallets.client import KeeperClient, socket_path

CASH_USD: Final = 50_000
USDC_UNIT: Final = 10**6
OPERATOR: Final = "demo-person"
SETTINGS: Final = """\
# Written by `usufruct demo`. The same settings a person would write; see usufruct.example.toml for what each means.
[chain]
endpoint = "{endpoint}"
deployment = "deployment.json"
read_timeout_seconds = 10

[policy]
chain_id = 31337
account = "{account}"
treasury = "{treasury}"
markets = ["aave-core:USDC", "aave-prime:USDC", "aave-new:USDC", "stata:USDC", "morpho:USDC/WETH", "morpho:USDC/DAI",
  "metamorpho:USDC", "comet:USDC"]
borrow_markets = []
max_transaction_usd = 60000
max_day_usd = 120000
max_market_usd = 60000
max_calls = 6
min_health_factor_bps = 15000
max_fee_gwei = 100
max_priority_fee_gwei = 2
max_gas_per_transaction = 1000000
max_day_gas_usd = 100
min_native_reserve_wei = 10000000000000000
max_reading_age_seconds = 120
max_price_age_seconds = 3600
max_plan_age_blocks = 50
approval_expiry_seconds = 900
operators = [{{ name = "{operator}", public_key = "{public_key}" }}]

[wallet]
keystore = "keystore.json"
folder = "keeper"
password_file = "password"

[strategy]
names = ["lending_rotation"]
stances = ["balanced"]
asset = "USDC"
cadence_seconds = 60

[strategy.lending_rotation]
lookback_seconds = 86400
threshold_bps = 25
count = 1
max_idle_bps = 100

[strategy.gate]
horizon_seconds = 2592000
lookback_seconds = 86400
cost_multiple_bps = 20000
min_wait_seconds = 0
min_change_bps = 50
max_base_fee_gwei = 50

[prices]
exchanges = []
symbols = {{}}
max_deviation_bps = 100
max_age_seconds = 300
timeout_seconds = 10

[run]
folder = "."
"""


MARKER: Final = ".usufruct-demo"  # a folder without it was not made by a demo, and is never cleared


@dataclass(frozen=True, slots=True)
class Stage:
    """The demo's folder and who acts in it."""

    folder: Path
    config: Path
    account: str
    operator_key: Path
    password_file: Path

    def operator_password(self) -> str:
        return secrecy.password_from_file(self.password_file)


def set_up(folder: Path, devnet: Devnet) -> Stage:
    """A fresh folder with keys and settings, and an account with funds on the chain."""
    _clear(folder)
    folder.mkdir(parents=True, mode=0o700)
    (folder / MARKER).touch()
    password_file = folder / "password"
    secrecy.write_new(password_file, secrets.token_urlsafe(24).encode())
    account = keystore.create(folder / "keystore.json", secrecy.password_from_file(password_file))
    operator_key = folder / "operator.pem"
    public_key = operators.create(operator_key, secrecy.password_from_file(password_file))
    (folder / "deployment.json").write_text(json.dumps(lenders(devnet.everything)))
    config = folder / "usufruct.toml"
    config.write_text(
        SETTINGS.format(
            endpoint=devnet.url,
            account=account,
            treasury=devnet.actor("treasury"),
            operator=OPERATOR,
            public_key=public_key,
        )
    )
    scenes.fund(devnet, account, usdc_raw=CASH_USD * USDC_UNIT, ether_wei=WAD)
    return Stage(folder, config, account, operator_key, password_file)


def lenders(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """The deployment without what the wallet does not sign yet: exchanges, staking, and interest by the block."""
    lending = [market for market in deployment["markets"] if market["protocol"] not in ("uniswap_v3", "lido", "compound_v2")]
    return {**deployment, "markets": lending}


def _clear(folder: Path) -> None:
    """Takes an earlier demo away. Raises SettingsError where something else lies there, or a demo still runs."""
    if not folder.exists():
        return
    if not (folder / MARKER).is_file():
        raise SettingsError(f"--folder: {folder} was not made by a demo, so it is not cleared; name another one")
    if KeeperClient(socket_path(folder / "keeper"), account="", timeout_seconds=1).process_id() is not None:
        raise SettingsError(f"--folder: a demo runs in {folder}; end it, or name another folder")
    shutil.rmtree(folder)
