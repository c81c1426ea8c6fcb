"""A pool on the local chain as the tests see it: decoded states, positions, and actions that are mined at a chosen time."""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from agent.devnet.chain import Devnet
from agent.devnet.contracts import transact
from agent.devnet.node import BASE_FEE_WEI
from strategies.domain import Action, Address, Deployment, Market, Position
from strategies.protocols.aave_v3 import AaveV3, Reserve
from strategies.protocols.adapter import Call
from strategies.protocols.registry import deployment_from

AGGREGATE3 = keccak(text="aggregate3((address,bool,bytes)[])")[:4]
ADAPTER = AaveV3()
PURSE_RAW = 10**30
# No collateral, unhealthy, not covered, no LTV: refusals of the account's other holdings, which one reserve does not know.
# V3.0 says them in digits, V3.6 in errors.
OF_THE_ACCOUNT = frozenset(
    ["34", "35", "36", "57"]
    + [
        "0x" + keccak(text=f"{name}()")[:4].hex()
        for name in (
            *("CollateralBalanceIsZero", "HealthFactorLowerThanLiquidationThreshold"),
            *("CollateralCannotCoverNewBorrow", "LtvValidationFailed"),
        )
    ]
)


@dataclass(frozen=True, slots=True)
class Mined:
    """What became of one call."""

    succeeded: bool
    gas_used: int
    reason: str


class PoolOnChain:
    """The devnet with the adapter's eyes and hands."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        self.deployment: Deployment = deployment_from(devnet.deployment)
        self.accounts = tuple(devnet.actor(name) for name in ("lender", "borrower", "stranger"))

    def market(self, market_id: str) -> Market:
        return next(market for market in self.deployment.markets if market.id == market_id)

    def provide(self, market: Market) -> None:
        """The stranger gets tokens and lets the pool take them, as lender and borrower already do."""
        token, stranger = market.asset.address, self.devnet.actor("stranger")
        transact(self.devnet.node, stranger, token, "approve(address,uint256)", market.address, 2**256 - 1)
        if market.asset.symbol == "WETH":
            transact(self.devnet.node, stranger, token, "deposit()", value_wei=10**23)
        else:
            transact(self.devnet.node, stranger, token, "mint(address,uint256)", stranger, PURSE_RAW)

    def ask(self, calls: Sequence[Call]) -> tuple[bytes, ...]:
        """The calls' answers at the last block, in one request."""
        data = AGGREGATE3 + encode(["(address,bool,bytes)[]"], [[(call.target, False, call.data) for call in calls]])
        answer = self.devnet.node.rpc("eth_call", {"to": self.deployment.multicall, "data": "0x" + data.hex()}, "latest")
        (results,) = decode(["(bool,bytes)[]"], bytes.fromhex(answer[2:]))
        return tuple(bytes(result) for _, result in results)

    def reserve(self, market: Market) -> Reserve:
        return ADAPTER.decode(market, self.ask(ADAPTER.reads(market)), self.devnet.node.latest()[1])

    def position(self, market: Market, account: Address) -> Position:
        return ADAPTER.holding(market, self.ask(ADAPTER.holding_reads(market, account)))

    def balance_raw(self, market: Market, account: Address) -> int:
        data = "0x" + (keccak(text="balanceOf(address)")[:4] + encode(["address"], [account])).hex()
        return int(self.devnet.node.rpc("eth_call", {"to": market.asset.address, "data": data}, "latest"), 16)

    def mine(self, call: Call, account: Address, seconds: int) -> Mined:
        """One call in a block of its own, so many seconds after the last, whether it succeeds or not."""
        node = self.devnet.node
        node.set_next_block_timestamp(node.latest()[1] + seconds)
        node.set_next_base_fee(BASE_FEE_WEI)
        fees = {"gas": hex(2_000_000), "maxFeePerGas": hex(2 * BASE_FEE_WEI), "maxPriorityFeePerGas": "0x0"}
        sent = {"from": account, "to": call.target, "data": "0x" + call.data.hex()} | fees
        receipt = node.rpc("eth_sendTransactionSync", sent)
        succeeded = int(receipt["status"], 16) == 1
        reason = "" if succeeded else self._reason(str(receipt["transactionHash"]))
        return Mined(succeeded, int(receipt["gasUsed"], 16), reason)

    def act(self, action: Action, account: Address, seconds: int) -> Mined:
        """The pool call of an action (its approval stands already)."""
        return self.mine(ADAPTER.encode(action, account)[-1], account, seconds)

    def administer(self, market: Market, signature: str, *arguments: object) -> None:
        """A risk administrator's call."""
        name = market.id.removeprefix("aave-").split(":")[0]
        configurator = self.devnet.deployment["admin"][name]["configurator"]
        transact(self.devnet.node, self.devnet.actor("deployer"), configurator, signature, market.asset.address, *arguments)

    def _reason(self, transaction_hash: str) -> str:
        traced = self.devnet.node.rpc("debug_traceTransaction", transaction_hash, {"tracer": "callTracer"})
        return str(traced.get("revertReason") or traced.get("output") or "")
