"""Who carries plans out: the guarded paper wallet of live runs, or the protocol models alone, with nobody judging, which shows
what the guard costs and is what sweeps rank by. Refuses what the guard or the models refuse."""

from collections.abc import Sequence
from typing import Final, Protocol

from backtest.world import TapeWorld
from strategies.domain import NATIVE, Action, Address, Amount, Approve, Asset, Plan, Portfolio, Position, Revocation, Transfer
from strategies.errors import InsufficientBalance, NotApproved, UnknownCall, UnsupportedState
from strategies.protocols.registry import MarketState, adapter_of
from strategies.tape import Observation, Tape
from wallets.paper import NOBODY, PaperWallet
from wallets.policy import Policy
from wallets.wallet import Approved, Receipt, TokenTransfer, Transaction, Verdict


def cycle_of(seen: Observation) -> str:
    """A cycle's id on a tape: its time."""
    return f"at-{seen.timestamp}"


class Mover(Protocol):
    """Who carries plans out."""

    @property
    def portfolio(self) -> Portfolio:
        """What is held now."""

    def hold(self, portfolio: Portfolio) -> None:
        """What is held became this without a plan."""

    def judge(self, seen: Observation, plan: Plan) -> Verdict | None:
        """What the guard says at the row of the decision; None where nobody judges."""

    def execute(self, row: int, plan: Plan, verdict: Verdict | None) -> Receipt:
        """At a later row. Raises WalletError, ProtocolError where it no longer holds."""


class Guarded:
    """The paper wallet: the guard of live runs, with the models' effects."""

    def __init__(self, tape: Tape, policy: Policy, opening: Portfolio, *, touch_fee_raw: int) -> None:
        self._world: Final = TapeWorld(tape)
        self._wallet: Final = PaperWallet(
            policy=policy, deployment=tape.deployment, portfolio=opening, world=self._world, touch_fee_raw=touch_fee_raw
        )

    @property
    def portfolio(self) -> Portfolio:
        return self._wallet.portfolio

    def hold(self, portfolio: Portfolio) -> None:
        self._wallet.revalue(portfolio)

    def judge(self, seen: Observation, plan: Plan) -> Verdict:
        self._world.row = seen.row
        return self._wallet.judge(plan, cycle_of(seen))

    def execute(self, row: int, plan: Plan, verdict: Verdict | None) -> Receipt:
        if not isinstance(verdict, Approved):
            raise NotApproved("nobody said yes to it")
        self._world.row = row
        return self._wallet.execute(verdict, ())


class Bare:
    """Nobody judges, nothing is booked: the models alone."""

    def __init__(self, tape: Tape, account: Address, opening: Portfolio, *, touch_fee_raw: int) -> None:
        self._tape: Final = tape
        self._account: Final = account
        self._touch_fee_raw: Final = touch_fee_raw
        self.portfolio = opening

    def hold(self, portfolio: Portfolio) -> None:
        self.portfolio = portfolio

    def judge(self, seen: Observation, plan: Plan) -> None:
        return None

    def execute(self, row: int, plan: Plan, verdict: Verdict | None) -> Receipt:
        receipt, self.portfolio = applied(
            self._tape, row, self.portfolio, plan.actions, account=self._account, touch_fee_raw=self._touch_fee_raw
        )
        return receipt


class Account:
    """What is held while a plan's actions are applied one after the other."""

    __slots__ = ("_address", "_idle", "_positions", "_states", "_tape", "transfers")

    def __init__(self, tape: Tape, address: Address, portfolio: Portfolio) -> None:
        self._tape: Final = tape
        self._address: Final = address
        self._idle: Final = {amount.asset.address: amount for amount in portfolio.idle}
        self._positions: Final = {held.market.id: held for held in portfolio.positions}
        self._states: Final[dict[str, MarketState]] = {}
        self.transfers: Final[list[TokenTransfer]] = []

    @property
    def portfolio(self) -> Portfolio:
        """What is held now; claims that ended are gone, and the others stand in the deployment's order."""
        claims = [held for held in self._positions.values() if not held.is_empty]
        claims.sort(key=lambda held: self._tape.deployment.places[held.market.id])
        return Portfolio(tuple(self._idle.values()), tuple(claims))

    def act(self, row: int, action: Action) -> int:
        """Applies one action to its market as it is at a row; its gas. Raises ProtocolError."""
        if isinstance(action, Approve | Revocation | Transfer):
            raise UnknownCall(f"only what a strategy plans is applied here, not {action}")
        market = action.market
        adapter = adapter_of(market)
        state = self._states.get(market.id) or self._tape.states.state(row, self._tape.market_index(market))
        if state is None:
            raise UnsupportedState(market_id=market.id, what="it could not be read")
        done = adapter.apply(state, self._positions.get(market.id) or Position(market, 0), action)
        self._states[market.id] = done.state
        self._positions[market.id] = done.held
        for moved in done.moved:
            self._pay(moved.asset, moved.raw)
            giver, taker = (self._address, market.address) if moved.raw < 0 else (market.address, self._address)
            self.transfers.append(TokenTransfer(moved.asset, giver, taker, abs(moved.raw)))
        return adapter.gas(action)

    def charge(self, asset: Asset, raw: int) -> None:
        """Takes an assumed fee. Raises InsufficientBalance."""
        if raw:
            self._pay(asset, -raw)
            self.transfers.append(TokenTransfer(asset, self._address, NOBODY, raw))

    def burn(self, fee_wei: int) -> None:
        """Takes gas out of the native coin. Raises InsufficientBalance."""
        if fee_wei:
            coin = self._idle.get(NATIVE)
            if coin is None:
                raise InsufficientBalance(what="native coin for gas", wanted_raw=fee_wei, available_raw=0)
            self._pay(coin.asset, -fee_wei)

    def _pay(self, asset: Asset, delta_raw: int) -> None:
        idle = self._idle.get(asset.address)
        left_raw = (idle.raw if idle is not None else 0) + delta_raw
        if left_raw < 0:
            raise InsufficientBalance(what=f"idle {asset.symbol}", wanted_raw=-delta_raw, available_raw=left_raw - delta_raw)
        self._idle[asset.address] = Amount(asset, left_raw)


def applied(
    tape: Tape, row: int, portfolio: Portfolio, actions: Sequence[Action], *, account: Address, touch_fee_raw: int
) -> tuple[Receipt, Portfolio]:
    """A plan applied at one row, its gas at the row's base fee, whole or not at all. Raises ProtocolError."""
    holder = Account(tape, account, portfolio)
    gas, touched = 0, dict[str, Asset]()
    for action in actions:
        gas += holder.act(row, action)
        if not isinstance(action, Approve | Revocation | Transfer):
            touched[action.market.id] = action.market.asset
    fee_wei = gas * int(tape.base_fee_wei[row])
    holder.burn(fee_wei)
    for asset in touched.values():
        holder.charge(asset, touch_fee_raw)
    done = Transaction("bare", int(tape.block[row]), int(tape.timestamp[row]), gas, fee_wei, succeeded=True)
    return Receipt("bare", (done,), tuple(holder.transfers), complete=True), holder.portfolio
