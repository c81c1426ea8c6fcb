"""A pool of the built chain as the tests see it: decoded states, positions, and actions that are taken at a chosen time."""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import decode
from eth_utils.crypto import keccak

from strategies.domain import Address, Deployment, Market, Position
from strategies.protocols.aave_v3 import AaveV3, Reserve
from strategies.protocols.adapter import Call
from strategies.protocols.erc20 import BALANCE_OF
from strategies.protocols.registry import deployment_from
from tests.evm import Evm

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


SAID_IN_WORDS = keccak(text="Error(string)")[:4]


@dataclass(frozen=True, slots=True)
class Mined:
    """What became of one call."""

    succeeded: bool
    reason: str


class PoolOnChain:
    """The chain with the adapter's eyes and hands."""

    def __init__(self, evm: Evm) -> None:
        self.evm = evm
        pools = [market for market in evm.content["markets"] if market["protocol"] == ADAPTER.protocol]
        self.deployment: Deployment = deployment_from({**evm.content, "markets": pools})
        self.accounts = tuple(evm.actors[name] for name in ("lender", "borrower", "stranger"))

    def market(self, market_id: str) -> Market:
        return next(market for market in self.deployment.markets if market.id == market_id)

    def provide(self, market: Market) -> None:
        """The stranger gets tokens and lets the pool take them, as lender and borrower already do."""
        token, stranger = market.asset.address, self.evm.actors["stranger"]
        self.evm.transact(stranger, token, "approve(address,uint256)", market.address, 2**256 - 1)
        if market.asset.symbol == "WETH":
            self.evm.transact(stranger, token, "deposit()", value_wei=10**23)
        else:
            self.evm.transact(stranger, token, "mint(address,uint256)", stranger, PURSE_RAW)

    def ask(self, calls: Sequence[Call]) -> tuple[bytes, ...]:
        """The calls' answers now."""
        return self.evm.ask(calls)

    def reserve(self, market: Market) -> Reserve:
        return ADAPTER.decode(market, self.ask(ADAPTER.reads(market)), self.evm.timestamp)

    def position(self, market: Market, account: Address) -> Position:
        return ADAPTER.holding(market, self.ask(ADAPTER.holding_reads(market, account)))

    def balance_raw(self, market: Market, account: Address) -> int:
        return int.from_bytes(self.ask((Call(market.asset.address, BALANCE_OF.encode(account)),))[0], "big")

    def mine(self, call: Call, account: Address, seconds: int) -> Mined:
        """One call so many seconds after the last, whether it succeeds or not."""
        self.evm.warp(seconds)
        done = self.evm.send(account, call)
        return Mined(done.succeeded, "" if done.succeeded else reason_of(done.output))

    def administer(self, market: Market, signature: str, *arguments: object) -> None:
        """A risk administrator's call."""
        name = market.id.removeprefix("aave-").split(":")[0]
        configurator = self.evm.admin[name]["configurator"]
        self.evm.transact(self.evm.actors["deployer"], configurator, signature, market.asset.address, *arguments)


def reason_of(output: bytes) -> str:
    """Why a pool reverted: its words, or the selector of its error."""
    if output[:4] == SAID_IN_WORDS:
        return str(decode(["string"], output[4:])[0])
    return "0x" + output[:4].hex()
