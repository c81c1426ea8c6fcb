"""What the demo plays on: a private chain, a fresh key, one operator who acknowledges the risks, a settings file. Touches nothing
outside its folder."""

import json
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.settings import load_settings
from strategies.errors import SettingsError
from strategies.units import WAD
from wallets import acknowledged, deployments, keystore, operators, secrecy
from wallets.acknowledged import Acknowledgement
from wallets.client import KeeperClient, socket_path
from wallets.policy import policy_digest

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
max_protocol_usd = 60000
max_issuer_usd = 60000
max_calls = 6
min_health_factor_bps = 15000
max_fee_gwei = 100
max_priority_fee_gwei = 2
max_gas_per_transaction = 1000000
max_transaction_gas_usd = 60
max_day_gas_usd = 100
min_native_reserve_wei = 10000000000000000
max_reading_age_seconds = 120
max_price_age_seconds = 3600
max_plan_age_blocks = 50
approval_expiry_seconds = 900
price_sources = ["oracle"]
operators = [{{ name = "{operator}", public_key = "{public_key}" }}]

[policy.people]
max_unattended_usd = 0
two_people_above_usd = "none"
gather_seconds = 600
resume_people = 1

[policy.concentration]
max_protocol_bps = 10000
max_asset_bps = 10000
max_issuer_bps = 10000

[policy.exchange]
max_slippage_bps = 30
max_loss_day_bps = 100
max_price_gap_bps = 100
max_deadline_seconds = 600
max_quote_age_blocks = 10
pegged = ["USDC", "DAI"]
min_peg_bps = 9800

[policy.pace]
max_plans_hour = 60
reversal_seconds = 0
repeat_seconds = 0

[policy.compliance]
jurisdiction = "CH"
profile = "none"
denied_assets = []
real_world_assets = "none"
screening = "none"
max_screening_age_seconds = 86400

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


NOT_LENT: Final = ("uniswap_v3", "uniswap_router", "wrapped_native", "lido", "compound_v2")  # protocols
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
    settings = load_settings(config, {})
    said = Acknowledgement(OPERATOR, int(time.time()), acknowledged.text_digest(), policy_digest(settings.policy))
    acknowledged.put(settings.wallet.folder, said)
    scenes.fund(devnet, account, usdc_raw=CASH_USD * USDC_UNIT, ether_wei=WAD)
    return Stage(folder, config, account, operator_key, password_file)


def lenders(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """The deployment without what is no lending, or is not signed yet: exchanges, staking, and interest by the block; and without
    who else acts on the chain, which is nobody's setting."""
    lending = [market for market in deployment["markets"] if market["protocol"] not in NOT_LENT]
    settings = {key: value for key, value in deployment.items() if key in deployments.KEYS}
    return {**settings, "markets": lending}


def _clear(folder: Path) -> None:
    """Takes an earlier demo away. Raises SettingsError where something else lies there, or a demo still runs."""
    if not folder.exists():
        return
    if not (folder / MARKER).is_file():
        raise SettingsError(f"--folder: {folder} was not made by a demo, so it is not cleared; name another one")
    if KeeperClient(socket_path(folder / "keeper"), account="", timeout_seconds=1).process_id() is not None:
        raise SettingsError(f"--folder: a demo runs in {folder}; end it, or name another folder")
    shutil.rmtree(folder)
