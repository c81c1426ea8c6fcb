"""Seeded choices for walking one Aave reserve: who acts, when and how much; and what others do to it meanwhile."""

import random
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import decode
from eth_utils.crypto import keccak

from strategies.domain import ALL, Address, Amount, Borrow, MarketAction, Position, Repay, Supply, Withdraw
from strategies.protocols import aave_v3
from strategies.protocols.aave_v3 import AaveV3, Reserve
from strategies.protocols.aave_v3 import reserve as pool
from strategies.protocols.adapter import Call
from strategies.units import MAX_UINT256
from tests.evm import Evm, Outcome
from tests.strategies.protocols.differential import Rules, Scene, Walk, endow

ADAPTER: Final = AaveV3()
KINDS: Final = (Supply, Withdraw, Borrow, Repay)
# No collateral, unhealthy, not covered, no LTV: refusals of the account's other holdings, which one reserve does not know.
# V3.0 says them in digits, V3.6 in errors.
OF_THE_ACCOUNT: Final = frozenset(
    ["34", "35", "36", "57"]
    + [
        "0x" + keccak(text=f"{name}()")[:4].hex()
        for name in (
            *("CollateralBalanceIsZero", "HealthFactorLowerThanLiquidationThreshold"),
            *("CollateralCannotCoverNewBorrow", "LtvValidationFailed"),
        )
    ]
)
SAID_IN_WORDS: Final = keccak(text="Error(string)")[:4]


def act(evm: Evm, account: Address, action: MarketAction) -> Outcome | None:
    """The pool call of an action; a repayment of everything, which the adapter does not write, a person may still send."""
    if isinstance(action, Repay) and action.amount is ALL:
        arguments = (action.market.asset.address, MAX_UINT256, aave_v3.VARIABLE, account)
        done = evm.send(account, Call(action.market.address, aave_v3.REPAY.encode(*arguments)))
    else:
        done = evm.send(account, ADAPTER.encode(action, account)[-1])
    return done if done.succeeded or reason_of(done.output) not in OF_THE_ACCOUNT else None


RULES: Final = Rules(adapter=ADAPTER, act=act)


def scene(evm: Evm, market_id: str) -> Scene[Reserve]:
    """The stranger gets tokens and lets the pool take them, as lender and borrower already do."""
    market, stranger = evm.market(market_id), evm.actors["stranger"]
    endow(evm, market.asset, (stranger,), (market.address,), raw=10**23 if market.asset.symbol == "WETH" else 10**30)
    accounts = tuple(evm.actors[name] for name in ("lender", "borrower", "stranger"))
    return Scene(evm=evm, market=market, rules=RULES, accounts=accounts, seconds=(1, 1, 12, 3_600, 86_400, 30 * 86_400))


@dataclass(frozen=True, slots=True)
class Dice:
    """A reserve and the numbers that are thrown for it."""

    scene: Scene[Reserve]
    random: random.Random

    def action(self, state: Reserve, account: Address, held: Position) -> MarketAction:
        kind, market = self.random.choice(KINDS), self.scene.market
        edge_raw = {
            Supply: state.available_raw,
            Withdraw: pool.supplied_raw(state, held.shares_raw),
            Borrow: state.available_raw,
            Repay: pool.owed_raw(state, held.debt_raw),
        }[kind]
        if kind in (Withdraw, Repay) and self.random.random() < 0.1:
            return Withdraw(market, ALL) if kind is Withdraw else Repay(market, ALL)
        edges = (self.random.randint(1, 9), edge_raw, edge_raw + 1, edge_raw - 1, state.available_raw + 1)
        ordinary = (int(edge_raw * self.random.random() / 8) for _ in range(8))
        return kind(market, Amount(market.asset, max(self.random.choice((*edges, *ordinary)), 1)))

    def disturb(self, state: Reserve) -> None:
        """An administrator changes a limit, the treasury is paid, or somebody gives the pool a present."""
        throw, market, whole = self.random, self.scene.market, 10**self.scene.market.asset.decimals
        evm, stranger = self.scene.evm, self.scene.evm.actors["stranger"]
        supplied, owed = state.scaled_supply_raw // whole, state.scaled_debt_raw // whole
        settings: tuple[tuple[str, object], ...] = (
            ("setSupplyCap(address,uint256)", throw.choice((0, supplied + throw.randint(0, 10**6)))),
            ("setBorrowCap(address,uint256)", throw.choice((0, owed + throw.randint(0, 10**6)))),
            ("setReserveFreeze(address,bool)", not state.configuration.frozen),
            ("setReservePause(address,bool)", not state.configuration.paused),
            ("setReserveFactor(address,uint256)", throw.choice((0, 1, 777, 1_000, 9_999))),
            ("setReserveBorrowing(address,bool)", throw.random() < 0.7),
        )
        closed = 2 if state.configuration.frozen else 3 if state.configuration.paused else None
        match throw.randrange(8) if closed is None or throw.random() < 0.3 else closed:
            case 6:
                evm.transact(stranger, market.address, "mintToTreasury(address[])", [market.asset.address])
            case 7:
                present = (market.contract("receipt"), throw.randint(1, whole))
                evm.transact(stranger, market.asset.address, "transfer(address,uint256)", *present)
            case setting:
                signature, value = settings[setting]
                configurator = evm.admin[market.id.removeprefix("aave-").split(":")[0]]["configurator"]
                evm.transact(evm.actors["deployer"], configurator, signature, market.asset.address, value)


def walk_of(evm: Evm, market_id: str, seed: int) -> Walk[Reserve]:
    of = scene(evm, market_id)
    return Walk(of, Dice(of, random.Random(seed)))


def reason_of(output: bytes) -> str:
    """Why a pool reverted: its words, or the selector of its error."""
    if output[:4] == SAID_IN_WORDS:
        return str(decode(["string"], output[4:])[0])
    return "0x" + output[:4].hex()
