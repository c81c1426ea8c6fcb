"""The effects of exact transactions at a pinned block: real nonces, fees and gas limits, balances and allowances before and
after, in one request. Refuses to guess: no simulator, a revert, a block other than the one asked for are errors by name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import NATIVE, Address, Amount, Approve, Asset, Deployment, Position, Revoke, Transfer, written
from strategies.errors import EndpointRefused, IncompleteRead, SimulationReverted, SimulationUnavailable
from strategies.protocols import erc20, grants, wrapped_native
from strategies.protocols.adapter import Call
from strategies.protocols.registry import adapter_of, idle_assets
from strategies.tape import Reading
from wallets import safe
from wallets.case import Fees
from wallets.endpoints import Endpoint, Log, decode_aggregate, encode_aggregate, logs_of
from wallets.expected import claims
from wallets.foreign import quoted
from wallets.reading import claim_of
from wallets.rpc import data_of, quantity
from wallets.safe import Seat
from wallets.tracing import trace
from wallets.wallet import Allowance, Change, Effects

SIMULATED_SECONDS: Final = 1  # the simulated block comes so much after the pinned one
READER: Final[Address] = "0x" + b"usufruct reads here.".hex()  # asks for balances inside the simulation; nobody has its key
READER_WEI: Final = 2**96
READER_MAX_FEE_WEI: Final = 2**56
READ_GAS: Final = 100_000  # for one question
NO_METHOD: Final = (-32601, -32004)  # unknown to the node; known and not supported (EIP-1474)
BORROW_DELEGATED: Final = bytes.fromhex("da919360433220e13b51e8c211e490d148e61a3bd53de8c097194e458b97f3e1")
TRANSFER_SINGLE: Final = bytes.fromhex("c3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62")
TRANSFER_BATCH: Final = bytes.fromhex("4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb")
MOVES: Final = {erc20.TRANSFER_TOPIC, TRANSFER_SINGLE, TRANSFER_BATCH}


@dataclass(frozen=True, slots=True)
class Held:
    """What was measured at one moment: every balance, claim and allowance of the account."""

    balances: Mapping[Asset, int]
    claims: tuple[Position | tuple[bytes, ...], ...]  # the bare answers where an adapter does not read what the account has there
    allowances: Mapping[tuple[Address, Address], int]  # (token, spender)


def simulate(
    endpoint: Endpoint,
    *,
    deployment: Deployment,
    seat: Seat,
    calls: Sequence[Call],
    fees: Fees,
    nonce: int,
    at: Reading,
) -> Effects:
    """What these transactions change, executed on the block that was read. Raises SimulationReverted, SimulationUnavailable."""
    account, payer = seat.account, safe.sender(seat)
    questions = _questions(deployment, account, calls)
    asked = Call(deployment.multicall, encode_aggregate(questions.calls))
    ours = [_transaction(payer, safe.outer(seat, call), fees, nonce, index) for index, call in enumerate(calls)]
    try:
        ran = _run(endpoint, ours, asked, len(questions.calls), at)
        before, after = _held(deployment, questions, ran.before), _held(deployment, questions, ran.after)
    except (ValueError, KeyError, TypeError, IncompleteRead) as error:
        raise SimulationUnavailable(f"{endpoint.rpc.name} gave an answer that cannot be read: {error}") from None
    except EndpointRefused as error:
        raise SimulationUnavailable(str(error)) from None
    gas_wei = sum(ran.gas_used) * min(fees.max_fee_wei, ran.base_fee_wei + fees.max_priority_fee_wei)  # EIP-1559
    return Effects(
        changes=_changes(deployment, before, after, gas_wei if payer == account else 0),
        allowances=tuple([Allowance(token, spender, raw) for (token, spender), raw in after.allowances.items() if raw]),
        gas_used=ran.gas_used,
        block=at.block,
        timestamp=at.timestamp + SIMULATED_SECONDS,
        unexpected=(
            *[what for log in ran.logs if (what := _unexpected(log, deployment, account, after))],
            *_leaks(deployment, account, calls, ran.logs),
            *_silent(deployment, account, before, after, ran.logs),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Ran:
    """What the transactions burned and said, and the answers to one question before and after them."""

    before: bytes
    after: bytes
    gas_used: tuple[int, ...]
    logs: tuple[Log, ...]
    base_fee_wei: int


def _run(endpoint: Endpoint, ours: list[dict[str, object]], asked: Call, size: int, at: Reading) -> _Ran:
    """One request where the node simulates; where it does not, its tracer is asked for each transaction."""
    overrides = {"number": hex(at.block + 1), "time": hex(at.timestamp + SIMULATED_SECONDS)}
    reader = Fees(READER_MAX_FEE_WEI, 0, (READ_GAS * (size + 1),) * 2)
    block = {
        "blockOverrides": overrides,
        "stateOverrides": {READER: {"balance": hex(READER_WEI)}},
        "calls": [_transaction(READER, asked, reader, 0, 0), *ours, _transaction(READER, asked, reader, 0, 1)],
    }
    payload = {"blockStateCalls": [block], "validation": True, "traceTransfers": False, "returnFullTransactions": False}
    try:
        said = endpoint.rpc.ask("eth_simulateV1", payload, {"blockHash": at.block_hash})
    except EndpointRefused as error:
        if error.code not in NO_METHOD:
            raise
        traced = trace(endpoint, ours, block_hash=at.block_hash, overrides=overrides, question=asked, reader=READER)
        return _Ran(traced.before, traced.after, traced.gas_used, traced.logs, at.base_fee_wei)
    return _ran(said, at, len(ours) + 2)


def _ran(said: object, at: Reading, count: int) -> _Ran:
    simulated, results = _one_block(said, at, count)
    _refuse_reverts(results[1:-1])
    return _Ran(
        before=_returned(results[0]),
        after=_returned(results[-1]),
        gas_used=tuple([quantity(result["gasUsed"], "the gas used") for result in results[1:-1]]),
        logs=tuple([log for result in results[1:-1] for log in logs_of(result["logs"])]),
        base_fee_wei=quantity(simulated["baseFeePerGas"], "the base fee"),
    )


def revert_reason(data: bytes) -> str:
    """What a contract said when it reverted: Error(string), Panic(uint256), or the bytes themselves."""
    if data[:4] == bytes.fromhex("08c379a0") and len(data) >= 68:
        size = int.from_bytes(data[36:68], "big")
        return data[68 : 68 + size].decode(errors="replace")[:200]
    if data[:4] == bytes.fromhex("4e487b71") and len(data) == 36:
        return f"panic 0x{int.from_bytes(data[4:], 'big'):x}"
    return f"0x{data[:100].hex()}" if data else "no reason given"


@dataclass(frozen=True, slots=True)
class _Questions:
    """What is measured before and after: a balance an asset, a claim a market, each token's allowance to each spender."""

    balances: tuple[Call, ...]
    claims: tuple[tuple[Call, ...], ...]
    pairs: tuple[tuple[Address, Address], ...]
    allowances: tuple[Call, ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        return (*self.balances, *[call for claim in self.claims for call in claim], *self.allowances)


def allowance_pairs(deployment: Deployment, calls: Sequence[Call]) -> tuple[tuple[Address, Address], ...]:
    """Every (token, spender) that could hold an allowance of ours: each token to each market, and to whoever a call names."""
    tokens = [asset.address for asset in deployment.assets if asset.address != NATIVE]
    read = [erc20.parse(call, deployment.assets) for call in calls]
    named = [action.spender for action in read if isinstance(action, Approve | Revoke)]
    further = () if deployment.permit2 is None else (deployment.permit2,)
    spenders = dict.fromkeys([*(market.address for market in deployment.markets), *further, *named])
    return tuple([(token, spender) for token in tokens for spender in spenders])


def _questions(deployment: Deployment, account: Address, calls: Sequence[Call]) -> _Questions:
    pairs = allowance_pairs(deployment, calls)
    return _Questions(
        balances=tuple([erc20.balance_read(asset, account, deployment.multicall) for asset in idle_assets(deployment)]),
        claims=tuple([adapter_of(market).holding_reads(market, account) for market in deployment.markets]),
        pairs=pairs,
        allowances=tuple([erc20.allowance_read(token, account, spender) for token, spender in pairs]),
    )


def _transaction(sender: Address, call: Call, fees: Fees, nonce: int, index: int) -> dict[str, object]:
    return {
        "type": "0x2",
        "from": sender,
        "to": call.target,
        "input": "0x" + call.data.hex(),
        "value": hex(call.value_wei),
        "nonce": hex(nonce + index),
        "gas": hex(fees.gas_limits[index]),
        "maxFeePerGas": hex(fees.max_fee_wei),
        "maxPriorityFeePerGas": hex(fees.max_priority_fee_wei),
    }


def _one_block(said: object, at: Reading, count: int) -> tuple[Mapping[str, object], list[Mapping[str, object]]]:
    """The simulated block and its calls' results, proven to be the block and the calls that were asked for. Raises ValueError."""
    if not isinstance(said, list) or len(said) != 1 or not isinstance(said[0], dict):
        raise ValueError("it is not one simulated block")
    block = said[0]
    results = block["calls"]
    if not isinstance(results, list) or len(results) != count or not all(isinstance(result, dict) for result in results):
        raise ValueError(f"it is not the result of {count} calls")
    found = quantity(block["number"], "its number"), quantity(block["timestamp"], "its timestamp")
    if found != (at.block + 1, at.timestamp + SIMULATED_SECONDS):
        raise ValueError(f"it simulated block {found[0]} at {found[1]}")
    return block, results


def _refuse_reverts(results: Sequence[Mapping[str, object]]) -> None:
    for index, result in enumerate(results):
        if quantity(result["status"], "the status") != 1:
            error = result.get("error")
            said = error.get("data") if isinstance(error, dict) else None
            data = data_of(said, "the revert") if isinstance(said, str) else data_of(result["returnData"], "the revert")
            words = str(error.get("message", "")) if isinstance(error, dict) and not data else ""
            raise SimulationReverted(index=index, why=quoted(words or revert_reason(data)))


def _returned(result: Mapping[str, object]) -> bytes:
    if quantity(result["status"], "the status") != 1:
        raise ValueError("the balances could not be read inside the simulation")
    return data_of(result["returnData"], "the balances")


def _held(deployment: Deployment, questions: _Questions, answer: bytes) -> Held:
    answers = decode_aggregate(answer, len(questions.calls))
    if None in answers:
        raise ValueError("a balance, claim or allowance gave no answer")
    whole = [result for result in answers if result is not None]
    balances, rest = whole[: len(questions.balances)], whole[len(questions.balances) :]
    claims: list[Position | tuple[bytes, ...]] = []
    for market, asked in zip(deployment.markets, questions.claims, strict=True):
        said, rest = tuple(rest[: len(asked)]), rest[len(asked) :]
        claim = claim_of(market, said)
        claims.append(claim if isinstance(claim, Position) else said)
    pairs, assets = zip(questions.pairs, rest, strict=True), idle_assets(deployment)
    return Held(
        {asset: erc20.read_amount(result, asset.symbol) for asset, result in zip(assets, balances, strict=True)},
        tuple(claims),
        {pair: erc20.read_amount(result, "an allowance") for pair, result in pairs},
    )


def _changes(deployment: Deployment, before: Held, after: Held, gas_wei: int) -> tuple[Change, ...]:
    found: list[Change] = []
    for asset, after_raw in after.balances.items():
        gas = gas_wei if asset.address == NATIVE else 0
        found.append(Change(asset.address, asset.symbol, after_raw - before.balances[asset] + gas))
    for market, earlier, later in zip(deployment.markets, before.claims, after.claims, strict=True):
        if isinstance(earlier, Position) and isinstance(later, Position):
            found += _claim_changes(earlier, later)
        elif earlier != later:
            raise SimulationUnavailable(f"what the account has in {market.id} cannot be read, and the calls would change it")
    return tuple(sorted([change for change in found if change.delta_raw], key=lambda change: (change.unit, change.symbol)))


def _claim_changes(before: Position, after: Position) -> tuple[Change, ...]:
    pairs = zip(claims(before), claims(after), strict=True)
    return tuple([Change(unit, symbol, later_raw - earlier_raw) for (unit, symbol, earlier_raw), (_, _, later_raw) in pairs])


def _unexpected(log: Log, deployment: Deployment, account: Address, after: Held) -> str:
    """Why an event is none that a plan of ours makes; empty where it is. Anything that names the account is looked at."""
    ours = bytes(12) + bytes.fromhex(account[2:])
    if not log.topics or ours not in log.topics[1:]:
        return ""
    if log.topics[0] == BORROW_DELEGATED:
        return f"a delegation of credit by {log.address}"
    if (what := grants.granted(log.topics, log.data)) is not None:
        return f"{what} by {log.address}" if what else ""
    if (approval := erc20.decode_approval(log.topics, log.data)) is not None:
        owner, spender, _ = approval
        known = owner != account or (log.address, spender) in after.allowances
        return "" if known else f"an approval of {log.address} to {spender}"
    if log.topics[0] in MOVES | {erc20.APPROVAL_TOPIC} and log.address not in _known(deployment):
        return f"a movement of {log.address}, which is none of our tokens"
    return ""


def _leaks(deployment: Deployment, account: Address, calls: Sequence[Call], logs: Sequence[Log]) -> Iterator[str]:
    """What leaves the account to somebody who is no party of the plan, as a token's fee does: the amount is right, and a part of
    it never arrives."""
    tokens = {asset.address: asset for asset in idle_assets(deployment)}
    pinned = [address for market in deployment.markets for address in (market.address, *[one for _, one in market.contracts])]
    read = [erc20.parse(call, deployment.assets) for call in calls]
    parties = {account, *pinned, *[action.recipient for action in read if isinstance(action, Transfer)]}
    for log in logs:
        moved = erc20.decode_transfer(log.topics, log.data)
        if moved is not None and log.address in tokens and moved[0] == account and moved[1] not in parties and moved[2]:
            yield f"{written(Amount(tokens[log.address], moved[2]))} goes to {moved[1]}, who is no party of the plan"


def _silent(deployment: Deployment, account: Address, before: Held, after: Held, logs: Sequence[Log]) -> Iterator[str]:
    """What a token moves and does not say: its events and its balances must tell the same. The native coin has no events, and its
    wrapped token others."""
    wrapped = {market.address for market in deployment.markets if market.protocol == wrapped_native.PROTOCOL}
    said: dict[Address, int] = {}
    for log in logs:
        if (moved := erc20.decode_transfer(log.topics, log.data)) is not None:
            sender, recipient, raw = moved
            said[log.address] = said.get(log.address, 0) + raw * ((recipient == account) - (sender == account))
    for asset, after_raw in after.balances.items():
        found_raw = after_raw - before.balances[asset]
        if asset.address not in {NATIVE, *wrapped} and found_raw != said.get(asset.address, 0):
            yield f"{asset.symbol} moves {found_raw} base units of the account and says {said.get(asset.address, 0)}"


def _known(deployment: Deployment) -> set[Address | None]:
    units = [unit for market in deployment.markets for unit in adapter_of(market).units(market)]
    return {*[asset.address for asset in deployment.assets], *units}
