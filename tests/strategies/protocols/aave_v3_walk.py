"""Seeded choices for walking one Aave reserve: who acts, when and how much; and what others do to it meanwhile."""

import random
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import decode
from eth_utils.crypto import keccak

from strategies.domain import (
    ALL,
    Address,
    Amount,
    Borrow,
    ClaimRewards,
    MarketAction,
    Position,
    Repay,
    SetCollateral,
    Supply,
    Withdraw,
)
from strategies.protocols import aave_v3
from strategies.protocols.aave_v3 import AaveV3, Reserve
from strategies.protocols.aave_v3 import reserve as pool
from strategies.protocols.adapter import Call
from strategies.units import MAX_UINT256
from tests.evm import Evm, Outcome
from tests.strategies.protocols.differential import Rules, Scene, Walk, endow

ADAPTER: Final = AaveV3()
KINDS: Final = (Supply, Withdraw, Borrow, Repay)
BONUS_BPS: Final = 10_500
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
        market, chance = self.scene.market, self.random.random()
        if chance < 0.2:
            return SetCollateral(market, self.random.random() < 0.5)
        if state.rewards is not None and chance < 0.3:
            return ClaimRewards(market)
        kind = self.random.choice(KINDS)
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
        match throw.randrange(11) if closed is None or throw.random() < 0.3 else closed:
            case 6:
                evm.transact(stranger, market.address, "mintToTreasury(address[])", [market.asset.address])
            case 8 | 9:
                self.lends_against_it(state, throw.choice((0, state.configuration.threshold_bps)))
            case 10 if state.rewards is not None:
                self.gives_more(state.timestamp)
            case 7 | 10:
                present = (market.contract("receipt"), throw.randint(1, whole))
                evm.transact(stranger, market.asset.address, "transfer(address,uint256)", *present)
            case setting:
                signature, value = settings[setting]
                evm.transact(evm.actors["deployer"], self.configurator(), signature, market.asset.address, value)

    def configurator(self) -> Address:
        return str(self.scene.evm.admin[self.scene.market.id.removeprefix("aave-").split(":")[0]]["configurator"])

    def lends_against_it(self, state: Reserve, ltv_bps: int) -> None:
        """How much may be borrowed against it, which is also whether a first supply counts."""
        evm, signature = self.scene.evm, "configureReserveAsCollateral(address,uint256,uint256,uint256)"
        limits = (ltv_bps, state.configuration.threshold_bps, BONUS_BPS)
        evm.transact(evm.actors["deployer"], self.configurator(), signature, self.scene.market.asset.address, *limits)

    def gives_more(self, now: int) -> None:
        """Another reward a second, or another end of it, past or to come."""
        throw, evm, market = self.random, self.scene.evm, self.scene.market
        admin, controller, receipt = evm.actors["deployer"], market.contract("rewards"), market.contract("receipt")
        reward = market.others[0].address
        if throw.random() < 0.6:
            given = [throw.choice((0, 1, 10**15, throw.randint(1, 10**17)))]
            evm.transact(admin, controller, "setEmissionPerSecond(address,address[],uint88[])", receipt, [reward], given)
        else:
            end = now + throw.choice((-1, 0, 1, throw.randint(2, 10**7), 10**8))
            evm.transact(admin, controller, "setDistributionEnd(address,address,uint32)", receipt, reward, end)


def walk_of(evm: Evm, market_id: str, seed: int) -> Walk[Reserve]:
    of = scene(evm, market_id)
    return Walk(of, Dice(of, random.Random(seed)))


def reason_of(output: bytes) -> str:
    """Why a pool reverted: its words, or the selector of its error."""
    if output[:4] == SAID_IN_WORDS:
        return str(decode(["string"], output[4:])[0])
    return "0x" + output[:4].hex()
