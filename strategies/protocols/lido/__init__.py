"""Lido V3: stake ether for stETH, wrap it, ask for it back through the withdrawal queue and claim it.

Refuses, by name: unstaking everything, because the queue takes amounts of stETH and knows no word for all; a claim on the queue
that was not read to its end (`further_holding_reads` says what is still to be asked); a queue or wrapper of another token. Not
modelled: the stake limit grows with each block and counts as it was read; a report of the oracle moves the share rate, finalises
requests, and happens in a block that is read again (`pool.rebased` is its arithmetic). stETH is counted as the claim's shares and
never in `moved`; wstETH is a token like any other, and whether there is enough of it, or of ether, its holder must know."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import Any, Final

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError

from strategies.domain import (
    Action,
    Address,
    Amount,
    Asset,
    Claim,
    Entire,
    Market,
    MarketAction,
    Position,
    Request,
    Shares,
    Stake,
    Unstake,
    Unwrap,
    Wrap,
)
from strategies.errors import IncompleteRead, UnknownCall, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, UINT256, Applied, Call, Columns, Function, Solvency
from strategies.protocols.lido import pool
from strategies.protocols.lido.pool import StakingPool
from strategies.units import MAX_UINT256

POOLED: Final = tuple(Function(selector) for selector in ("37cfdaca", "e16a9065", "d5002f2e", "63021d8b", "609c4c6c", "3f683b6a"))
IS_PAUSED: Final = Function("b187bd26")
GET_LAST_REQUEST_ID: Final = Function("19c2b4c3")
GET_LAST_FINALIZED_REQUEST_ID: Final = Function("4f069a13")
GET_LAST_CHECKPOINT_INDEX: Final = Function("526eae3e")
QUEUE_TOKEN, WRAPPER_TOKEN = Function("e00bfe50"), Function("c1fe3e48")
SHARES_OF: Final = Function("f5eb42dc", ADDRESS)
GET_WITHDRAWAL_REQUESTS: Final = Function("7d031b65", ADDRESS)
GET_WITHDRAWAL_STATUS: Final = bytes.fromhex("b8c4b85a")
FIND_CHECKPOINT_HINTS: Final = bytes.fromhex("62abe3fa")
GET_CLAIMABLE_ETHER: Final = bytes.fromhex("c97912d8")
STATUS: Final = "(uint256,uint256,address,uint256,bool,bool)[]"

SUBMIT: Final = Function("a1903eab", ADDRESS)
WRAP: Final = Function("ea598cb0", UINT256)
UNWRAP: Final = Function("de0e9a3e", UINT256)
CLAIM_WITHDRAWAL: Final = Function("f8444436", UINT256)
# requestWithdrawals(uint256[],address) of one amount: where the array begins, the owner, its length, the amount.
REQUEST_WITHDRAWALS: Final = Function("d6681042", UINT256, ADDRESS, UINT256, UINT256)
ARRAY_AT, ONE_ELEMENT = 64, 1
NOBODY: Final = "0x" + "00" * 20
GAS: Final[Mapping[type[Action], int]] = {Stake: 90_000, Unstake: 300_000, Claim: 90_000, Wrap: 150_000, Unwrap: 90_000}


class Lido:
    """The adapter of Lido's stETH, its wrapper and its withdrawal queue."""

    @property
    def protocol(self) -> str:
        return "lido"

    @property
    def arrival_bound_raw(self) -> int:
        """The model is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """Ether and shares with their parts outside, the limit, what is stopped, the queue's end, and what is pinned."""
        pool.tokens(market)
        wrapper, queue = market.contract("wsteth"), market.contract("queue")
        asked = [Call(market.address, getter.encode()) for getter in POOLED]
        asked += [Call(queue, getter.encode()) for getter in (IS_PAUSED, GET_LAST_REQUEST_ID, QUEUE_TOKEN)]
        return (*asked, Call(wrapper, WRAPPER_TOKEN.encode()))

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> StakingPool:
        """The pool as it was answered. Raises IncompleteRead, UnsupportedState."""
        if len(results) != len(POOLED) + 4:
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        words = [_word(market, result) for result in results]
        if words[8:] != [int(market.address, 16)] * 2:
            raise UnsupportedState(market_id=market.id, what="its queue or wrapper is one of another token")
        ether_wei, shares_raw = words[0] - words[1], words[2] - words[3]
        if ether_wei <= 0 or shares_raw <= 0:
            raise UnsupportedState(market_id=market.id, what="a pool without ether or shares")
        return StakingPool(
            market=market,
            timestamp=timestamp,
            ether_wei=ether_wei,
            shares_raw=shares_raw,
            stake_limit_wei=words[4],
            stopped=words[5] != 0,
            queue_paused=words[6] != 0,
            last_request_id=words[7],
        )

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """Shares and the ids of open requests, and how far the queue has come."""
        queue = market.contract("queue")
        return (
            Call(market.address, SHARES_OF.encode(account)),
            Call(queue, GET_WITHDRAWAL_REQUESTS.encode(account)),
            Call(queue, GET_LAST_FINALIZED_REQUEST_ID.encode()),
            Call(queue, GET_LAST_CHECKPOINT_INDEX.encode()),
        )

    def further_holding_reads(self, market: Market, results: Sequence[bytes]) -> tuple[Call, ...]:
        """What is still to be asked at the same block, with all answers so far; empty when `holding` can be read. A request's id
        is known only when the first answers are there, and its claimable ether only when its checkpoint is."""
        ids, ready, last_checkpoint = _open_requests(market, results)
        queue, asked = market.contract("queue"), list[bytes]()
        if len(results) == 4 and ids:
            asked.append(GET_WITHDRAWAL_STATUS + abi_encode(["uint256[]"], [ids]))
            hints = abi_encode(["uint256[]", "uint256", "uint256"], [ready, 1, last_checkpoint])
            asked += [FIND_CHECKPOINT_HINTS + hints] if ready else []
        elif len(results) == 6:
            arguments = [ready, _unpacked(market, "uint256[]", results[5])]
            asked.append(GET_CLAIMABLE_ETHER + abi_encode(["uint256[]", "uint256[]"], arguments))
        return tuple(Call(queue, data) for data in asked)

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """Shares and open requests; one that can be claimed is worth what the queue pays for it. Raises IncompleteRead, and
        UnsupportedState where there are requests that nobody asked on about."""
        ids, ready, _ = _open_requests(market, results)
        if ids and len(results) == 4:  # anybody may have made one in the account's name
            raise UnsupportedState(
                market_id=market.id, what=f"the account has {len(ids)} open requests, which were not asked for"
            )
        if len(results) != 4 + bool(ids) + 2 * bool(ready):
            raise IncompleteRead(f"{market.id}: {len(ids)} open requests and {len(results)} answers about the account")
        statuses = _unpacked(market, STATUS, results[4]) if ids else ()
        ethers = _unpacked(market, "uint256[]", results[6]) if ready else ()
        if (len(statuses), len(ethers)) != (len(ids), len(ready)):
            raise IncompleteRead(f"{market.id}: {len(statuses)} states and {len(ethers)} sums of {len(ids)} open requests")
        paid = dict(zip(ready, ethers, strict=True))
        requests = tuple(
            Request(id_, paid.get(id_, said[0]), said[1], id_ in paid) for id_, said in zip(ids, statuses, strict=True)
        )
        return Position(market, _word(market, results[0]), requests=requests)

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """stETH counts the shares; nothing can be owed."""
        return market.address, None

    def columns(self, state: StakingPool) -> Columns:
        """One state knows no rate: it is how the share rate grows from report to report. Nothing can be taken out at once."""
        return Columns(supply_apr=nan, borrow_apr=nan, utilisation=nan, supplied=state.ether_wei / 10**18, available=0.0)

    def accrue(self, state: StakingPool, seconds: int) -> StakingPool:
        """Only time passes: the share rate moves with the oracle's report, not with time."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: StakingPool, held: Position, action: MarketAction) -> Applied[StakingPool]:
        """One action. Raises ProtocolError where Lido, its queue or its wrapper reverts."""
        steth, wsteth = pool.tokens(state.market)
        if action.market.id != state.market.id:
            raise pool.refused(state, f"it is not asked for this market: {action}")
        match action:
            case Stake(amount=amount) if amount.asset == state.market.asset:
                return pool.stake(state, held, amount)
            case Unstake(amount=amount) if amount.asset == steth:
                return pool.unstake(state, held, amount.raw)
            case Claim(request_id=request_id):
                return pool.claim(state, held, request_id)
            case Wrap(amount=amount) if amount.asset == steth:
                return pool.wrap(state, held, amount.raw)
            case Unwrap(amount=amount) if amount.asset == wsteth:
                return pool.unwrap(state, held, amount)
            case _:
                raise pool.refused(state, f"it is not asked for this: {action}")

    def value_raw(self, state: StakingPool, held: Position) -> int:
        """stETH balance and what is in the queue."""
        return pool.ether_of_down(state, held.shares_raw) + sum(request.amount_raw for request in held.requests)

    def withdrawable_raw(self, state: StakingPool) -> int:
        """Nothing at once: the queue pays later."""
        return 0

    def price_usd_e8(self, state: StakingPool) -> int | None:
        """Lido has no oracle of prices."""
        return None

    def solvency(self, state: StakingPool, held: Position) -> Solvency:
        """Nothing backs a debt here."""
        return Solvency(state.market.id, 0, 0)

    def everything(self, held: Position) -> Entire | Shares:
        """The queue knows no word for all. Raises UnsupportedState."""
        raise UnsupportedState(market_id=held.market.id, what="unstaking everything; name an amount of stETH")

    def spender(self, action: MarketAction) -> Address:
        """The queue takes what is unstaked, the wrapper what is wrapped."""
        if isinstance(action, Unstake | Wrap):
            return action.market.contract("queue" if isinstance(action, Unstake) else "wsteth")
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Estimated, approval included: no package ships Lido, and the stand-ins, which are smaller, burn less. Raises
        UnknownCall."""
        if type(action) not in GAS:
            raise UnknownCall(f"Lido does not write {action}")
        return GAS[type(action)]

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """The call of an action, after the exact approval where stETH is taken. Raises UnknownCall."""
        market = action.market
        steth, wsteth = pool.tokens(market)
        try:
            match action:
                case Stake(amount=amount):
                    return (Call(market.address, SUBMIT.encode(NOBODY), _raw(amount, market.asset)),)
                case Unstake(amount=amount):
                    data = REQUEST_WITHDRAWALS.encode(ARRAY_AT, account, ONE_ELEMENT, _raw(amount, steth))
                    return self._approved(action, amount), Call(market.contract("queue"), data)
                case Wrap(amount=amount):
                    return self._approved(action, amount), Call(market.contract("wsteth"), WRAP.encode(_raw(amount, steth)))
                case Unwrap(amount=amount):
                    return (Call(market.contract("wsteth"), UNWRAP.encode(_raw(amount, wsteth))),)
                case Claim(request_id=request_id) if 0 < request_id < MAX_UINT256:
                    return (Call(market.contract("queue"), CLAIM_WITHDRAWAL.encode(request_id)),)
                case _:
                    raise UnknownCall(f"Lido does not write {action}")
        except ValueError as error:
            raise UnknownCall(str(error)) from error

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for another owner or a referral, a value where none belongs, or one unread byte."""
        for market in markets:
            if call.target == market.address and call.data == SUBMIT.encode(NOBODY) and call.value_wei:
                return Stake(market, Amount(market.asset, call.value_wei))
            for function in _functions_at(market, call.target):
                if call.data[:4] == function.selector and not call.value_wei:
                    return _action(function, market, call.data, account)
        return None

    def _approved(self, action: Unstake | Wrap, amount: Amount) -> Call:
        return erc20.approve_exactly(amount, self.spender(action))


def _functions_at(market: Market, target: Address) -> tuple[Function, ...]:
    if target == market.contract("queue"):
        return REQUEST_WITHDRAWALS, CLAIM_WITHDRAWAL
    return (WRAP, UNWRAP) if target == market.contract("wsteth") else ()


def _action(function: Function, market: Market, data: bytes, account: Address) -> Action | None:
    steth, wsteth = pool.tokens(market)
    try:
        *before, last = function.decode(data)
    except ValueError:
        return None
    raw = int(last)
    if not 0 < raw < MAX_UINT256 or (before and before != [ARRAY_AT, account, ONE_ELEMENT]):
        return None
    if function is CLAIM_WITHDRAWAL:
        return Claim(market, raw)
    if function is REQUEST_WITHDRAWALS:
        return Unstake(market, Amount(steth, raw))
    return Wrap(market, Amount(steth, raw)) if function is WRAP else Unwrap(market, Amount(wsteth, raw))


def _open_requests(market: Market, results: Sequence[bytes]) -> tuple[list[int], list[int], int]:
    """Ids of open requests in order, those of them that are finalised, and the last checkpoint."""
    if len(results) < 4:
        raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
    ids = sorted(_unpacked(market, "uint256[]", results[1]))
    last_finalised, last_checkpoint = _word(market, results[2]), _word(market, results[3])
    return ids, [id_ for id_ in ids if id_ <= last_finalised], last_checkpoint


def _unpacked(market: Market, kind: str, result: bytes) -> tuple[Any, ...]:
    try:
        (found,) = abi_decode([kind], result)
    except DecodingError as error:
        raise IncompleteRead(f"{market.id}: {error}") from error
    return tuple(found)


def _word(market: Market, result: bytes) -> int:
    if len(result) != 32:
        raise IncompleteRead(f"{market.id}: {len(result)} bytes where 32 are due")
    return int.from_bytes(result, "big")


def _raw(amount: Amount, asset: Asset) -> int:
    if amount.asset != asset or not 0 < amount.raw < MAX_UINT256:
        raise UnknownCall(f"{amount.raw} of {amount.asset.symbol} where {asset.symbol} is due")
    return amount.raw
