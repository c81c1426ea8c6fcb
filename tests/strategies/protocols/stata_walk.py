"""Static wrappers in the in-process chain, and seeded choices for walking one: who acts, how much, what others do meanwhile."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address, Amount, MarketAction, Position, Shares, Supply, Withdraw
from strategies.protocols.stata import Stata, StataV2, max_deposit_raw, max_redeem_raw, max_withdraw_raw
from strategies.units import MAX_UINT256
from tests.evm import Evm
from tests.strategies.protocols.differential import Rules, Scene, Walk, endow
from tests.strategies.protocols.erc4626_walk import ACCOUNTS, act

ADAPTER = StataV2()
BORROW = "borrow(address,uint256,uint256,uint16,address)"
REPAY = "repay(address,uint256,uint256,address)"
WITHDRAW = "withdraw(address,uint256,address)"
SUPPLY = "supply(address,uint256,address,uint16)"
DEPOSIT_RECEIPTS, REDEEM_RECEIPTS = "depositATokens(uint256,address)", "redeemATokens(uint256,address,address)"
VARIABLE = 2


RULES: Final = Rules(adapter=ADAPTER, act=act, assets=lambda market: (market.asset,))


def scene(evm: Evm, market_id: str) -> Scene[Stata]:
    """One wrapper of the local chain, rich accounts, and an administrator that may pause."""
    market, admin = evm.market(market_id), evm.actors["deployer"]
    evm.transact(admin, evm.admin["new"]["acl"], "addEmergencyAdmin(address)", admin)
    token, pool = market.asset, market.wraps[0].address
    accounts, one = (*ACCOUNTS, evm.actors["lender"], evm.actors["borrower"]), 10**token.decimals
    endow(evm, token, accounts, (market.address, pool), raw=(10**6 if token.symbol == "WETH" else 10**9) * one)
    for account in accounts:
        evm.transact(account, market.wraps[0].contract("receipt"), "approve(address,uint256)", market.address, MAX_UINT256)
        evm.transact(account, pool, SUPPLY, token.address, 10**5 * one, account, 0)
    seconds = (1, 12, 3_600, 86_400, 60 * 86_400)
    return Scene(evm=evm, market=market, rules=RULES, accounts=ACCOUNTS, seconds=seconds, disturbed=0.25)


def walk_of(evm: Evm, market_id: str, seed: int) -> Walk[Stata]:
    of = scene(evm, market_id)
    return Walk(of, Dice(of, random.Random(seed)))


@dataclass(frozen=True, slots=True)
class Dice:
    """A wrapper and the numbers that are thrown for it."""

    scene: Scene[Stata]
    random: random.Random

    def action(self, state: Stata, account: Address, held: Position) -> MarketAction:
        market, throw = self.scene.market, self.random
        purse_raw = 10**5 * 10**market.asset.decimals
        small_raw = throw.choice((0, 1, throw.randint(2, 9)))
        match throw.randrange(3):
            case 0:
                edge_raw = min(max_deposit_raw(state), purse_raw)
                raw = throw.choice(
                    (small_raw, edge_raw - 1, edge_raw, edge_raw + 1, *(throw.randint(1, purse_raw) for _ in range(6)))
                )
                return Supply(market, Amount(market.asset, max(raw, 0)))
            case 1:
                edge_raw = throw.choice((max_withdraw_raw(state, held.shares_raw), ADAPTER.value_raw(state, held)))
                raw = throw.choice((small_raw, edge_raw - 1, edge_raw, edge_raw + 1, MAX_UINT256, *self.parts(edge_raw)))
                return Withdraw(market, Amount(market.asset, max(raw, 0)))
            case _:
                edge_raw = throw.choice((max_redeem_raw(state, held.shares_raw), held.shares_raw))
                raw = throw.choice((small_raw, edge_raw - 1, edge_raw, edge_raw + 1, MAX_UINT256, *self.parts(edge_raw)))
                return Withdraw(market, Shares(max(raw, 0)))

    def parts(self, whole_raw: int) -> Sequence[int]:
        return [whole_raw * self.random.randint(0, 1_000) // 2_000 for _ in range(6)]

    def disturb(self, state: Stata) -> None:
        """An administrator changes a limit, somebody uses the pool, or aTokens come and go."""
        limits = state.reserve.configuration
        closed = limits.paused or limits.frozen or state.paused
        if closed or self.random.random() < 0.3:
            self.administer(state)
        else:
            self.use(state)

    def administer(self, state: Stata) -> None:
        throw, evm, market = self.random, self.scene.evm, self.scene.market
        asset, limits, admin, say = market.asset, state.reserve.configuration, evm.actors["deployer"], evm.attempt
        supplied = state.reserve.scaled_supply_raw // 10**asset.decimals
        cap = throw.choice((0, supplied, supplied + throw.randint(0, 10**5), supplied + 10**6))
        configurator = evm.admin["new"]["configurator"]
        match 1 if limits.paused else 2 if limits.frozen else 3 if state.paused else throw.randrange(5):
            case 1:
                say(admin, configurator, "setReservePause(address,bool)", asset.address, not limits.paused)
            case 2:
                say(admin, configurator, "setReserveFreeze(address,bool)", asset.address, not limits.frozen)
            case 3:
                say(admin, market.address, "setPaused(bool)", not state.paused)
            case _:
                say(admin, configurator, "setSupplyCap(address,uint256)", asset.address, cap)

    def use(self, state: Stata) -> None:
        throw, evm, market, say = self.random, self.scene.evm, self.scene.market, self.scene.evm.attempt
        asset, wrapped, lender, borrower = market.asset, market.wraps[0], evm.actors["lender"], evm.actors["borrower"]
        pool = wrapped.address
        some_raw = throw.randint(1, 10**4 * 10**asset.decimals)
        account, drained_raw = throw.choice(ACCOUNTS), max(state.reserve.available_raw - throw.choice((0, 1, some_raw)), 0)
        match throw.randrange(7):
            case 0:
                say(borrower, pool, BORROW, asset.address, throw.choice((some_raw, drained_raw)), VARIABLE, 0, borrower)
            case 1:
                say(borrower, pool, REPAY, asset.address, throw.choice((some_raw, MAX_UINT256)), VARIABLE, borrower)
            case 2:
                say(lender, pool, SUPPLY, asset.address, some_raw, account, 0)
            case 3:
                say(lender, pool, WITHDRAW, asset.address, throw.choice((some_raw, drained_raw)), lender)
            case 4:
                say(lender, wrapped.contract("receipt"), "transfer(address,uint256)", market.address, some_raw)
            case 5:
                say(lender, market.address, DEPOSIT_RECEIPTS, some_raw, lender)
            case _:
                say(lender, market.address, REDEEM_RECEIPTS, some_raw, lender, lender)
