"""The local chain as the wallet's tests use it: a deployment, funded accounts and small facts."""

from dataclasses import dataclass
from typing import Any

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.devnet.contracts import read_integer, transact
from strategies.domain import Address, Amount, Deployment, Market
from strategies.units import WAD
from tests import worlds
from wallets.deployments import KEYS
from wallets.endpoints import Endpoint
from wallets.policy import Operator, Policy

USDC = 10**6


@dataclass(frozen=True, slots=True)
class Chain:
    """A running local chain and what is on it."""

    devnet: Devnet
    deployment: Deployment

    @property
    def url(self) -> str:
        return self.devnet.url

    def endpoint(self) -> Endpoint:
        return Endpoint(self.url, timeout_seconds=10)

    @property
    def file(self) -> dict[str, Any]:
        """The deployment as a file says it: the chain's own facts, such as its actors, are none of the wallet's."""
        return {key: value for key, value in self.devnet.deployment.items() if key in KEYS}

    def market(self, market_id: str) -> Market:
        return next(market for market in self.deployment.markets if market.id == market_id)

    def fund(self, account: Address, *, usdc: int = 100_000) -> None:
        """Whole dollars and ten ether."""
        scenes.fund(self.devnet, account, usdc_raw=usdc * USDC, ether_wei=10 * WAD)

    def usdc(self, whole: int) -> Amount:
        return Amount(self.deployment.asset("USDC"), whole * USDC)

    def freeze(self, market: Market) -> None:
        """The market takes no more supplies."""
        configurator = self.devnet.deployment["admin"][market.id.split(":")[0].removeprefix("aave-")]["configurator"]
        signature = "setReserveFreeze(address,bool)"
        transact(self.devnet.node, self.devnet.actor("deployer"), configurator, signature, market.asset.address, True)

    def send_as(self, account: Address, target: Address, data: bytes = b"") -> None:
        """A transaction of an account's own, signed by nobody: another client with the same key. Waits for its block."""
        self._sent_as("eth_sendTransactionSync", account, {"to": target, "data": "0x" + data.hex()})

    def leave_pending_as(self, account: Address, target: Address, nonce: int) -> None:
        """The same while nothing is mined by itself: it waits in the pool."""
        self._sent_as("eth_sendTransaction", account, {"to": target, "nonce": hex(nonce)})

    def _sent_as(self, method: str, account: Address, fields: dict[str, str]) -> None:
        node = self.devnet.node
        node.rpc("anvil_impersonateAccount", account)
        node.rpc(method, {"from": account, **fields})
        node.rpc("anvil_stopImpersonatingAccount", account)

    def balance_raw(self, account: Address) -> int:
        return read_integer(self.devnet.node, self.devnet.token("USDC"), "balanceOf(address)", account)

    def allowance_raw(self, account: Address, spender: Address) -> int:
        return read_integer(self.devnet.node, self.devnet.token("USDC"), "allowance(address,address)", account, spender)

    def sent(self, account: Address) -> int:
        """How many transactions an account has mined."""
        return int(self.devnet.node.rpc("eth_getTransactionCount", account, "latest"), 16)


def policy_for(account: Address, deployment: Deployment, *operators: Operator, **changes: object) -> Policy:
    """Roomy limits that a test tightens by name."""
    content: dict[str, object] = {
        "chain_id": deployment.chain_id,
        "account": account,
        "treasury": None,
        "markets": tuple(market.id for market in deployment.markets),
        "borrow_markets": (),
        "max_transaction_usd": 50_000,
        "max_day_usd": 200_000,
        "max_market_usd": 150_000,
        "max_protocol_usd": 1_000_000,
        "max_issuer_usd": 10_000_000,
        "max_calls": 8,
        "min_health_factor_bps": 12_000,
        "max_fee_gwei": 100,
        "max_priority_fee_gwei": 2,
        "max_gas_per_transaction": 1_000_000,
        "max_day_gas_usd": 5_000,
        "min_native_reserve_wei": 10**15,
        "max_reading_age_seconds": 120,
        "max_price_age_seconds": 10**9,
        "max_plan_age_blocks": 50,
        "approval_expiry_seconds": 600,
        "price_sources": ("oracle",),
        "operators": operators,
    }
    told = content | changes
    return Policy.model_validate({"max_transaction_gas_usd": told["max_day_gas_usd"]} | told | worlds.tables(changes))
