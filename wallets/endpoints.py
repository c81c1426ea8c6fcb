"""The one reader of the chain: a block in one HTTP request, its header and its contracts' answers proven to be the same block.
Refuses partial, mixed and malformed answers, and never says more of its URL than scheme and host."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address
from strategies.errors import EndpointRefused, EndpointUnusable, IncompleteRead
from strategies.protocols.adapter import Call
from wallets.rpc import Request, Rpc, data_of, quantity

LOCAL_CHAIN_ID: Final = 31337
READ_ATTEMPTS: Final = 3
READ_GAS: Final = 200_000_000  # a book of ticks costs 30 million; nodes lower what is above their own bound, and charge nobody
AGGREGATE3: Final = bytes.fromhex("82ad56cb")  # Multicall3.aggregate3((address,bool,bytes)[])
MAY_FAIL: Final = bytes.fromhex(f"{1:064x}{0x60:064x}")  # that a call may fail alone, and where its data begins
GET_BLOCK_NUMBER: Final = bytes.fromhex("42cbb15c")
GET_CURRENT_BLOCK_TIMESTAMP: Final = bytes.fromhex("0f28c97d")
ALREADY_KNOWN: Final = ("already known", "already imported", "known transaction", "alreadyknown")


@dataclass(frozen=True, slots=True)
class Block:
    """One block's header, and what contracts answered at it: None where a call reverted."""

    number: int
    hash: str
    timestamp: int
    base_fee_wei: int
    results: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the chain asks for now: the last base fee and the endpoint's idea of a tip."""

    base_fee_wei: int
    priority_fee_wei: int


@dataclass(frozen=True, slots=True)
class Log:
    """One event."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Mined:
    """One transaction's receipt."""

    hash: str
    block: int
    block_hash: str
    succeeded: bool
    gas_used: int
    gas_price_wei: int
    logs: tuple[Log, ...]
    data_fee_wei: int = 0  # what a rollup took for its data beside the gas


class Endpoint:
    """One RPC endpoint. Not safe for two threads at once."""

    __slots__ = ("_chain_id", "rpc")

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self.rpc: Final = Rpc(url, timeout_seconds=timeout_seconds)
        self._chain_id: int | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.rpc.name})"

    def chain_id(self) -> int:
        """What the endpoint says it serves, asked anew each time."""
        return self._number("eth_chainId", [])

    def read(self, calls: Sequence[Call], multicall: Address, block_hash: str | None = None) -> Block:
        """One block, the latest where none is named, and every answer at it, from one HTTP request. Raises IncompleteRead."""
        asked = (Call(multicall, GET_BLOCK_NUMBER), Call(multicall, GET_CURRENT_BLOCK_TIMESTAMP), *calls)
        question = {"to": multicall, "data": "0x" + encode_aggregate(asked).hex(), "gas": hex(READ_GAS)}
        requests: list[Request] = [("eth_getBlockByNumber", ["latest", False]), ("eth_call", [question, "latest"])]
        if block_hash is not None:
            requests = [("eth_getBlockByHash", [block_hash, False]), ("eth_call", [question, {"blockHash": block_hash}])]
        why = ""
        for attempt in range(READ_ATTEMPTS):
            time.sleep(attempt * 0.05)  # the head moved between the two answers, or the endpoint stumbled
            try:
                header, answers = self.rpc.ask_all(requests)
                return _consistent(header, answers, len(asked))
            except (EndpointUnusable, EndpointRefused, ValueError, KeyError) as error:
                why = str(error)
        raise IncompleteRead(f"{READ_ATTEMPTS} attempts at {self.rpc.name}, the last: {why}")

    def nonce(self, address: Address, tag: str) -> int:
        """How many transactions an account has sent, by "latest" or "pending"."""
        return self._number("eth_getTransactionCount", [address, tag])

    def balance_wei(self, address: Address) -> int:
        """The native coin of an account at the latest block."""
        return self._number("eth_getBalance", [address, "latest"])

    def fees(self) -> Suggestion:
        """The last base fee and a suggested tip. Raises EndpointUnusable."""
        header, tip = self.rpc.ask_all([("eth_getBlockByNumber", ["latest", False]), ("eth_maxPriorityFeePerGas", [])])
        try:
            return Suggestion(_header(header, ()).base_fee_wei, quantity(tip, "the suggested tip"))
        except (ValueError, KeyError) as error:
            raise self._malformed("eth_maxPriorityFeePerGas", error) from None

    def send_raw(self, raw: bytes, transaction_hash: str) -> None:
        """Hands over signed bytes. Having them already is success; anything else raises EndpointRefused or EndpointUnusable."""
        try:
            said = self.rpc.ask("eth_sendRawTransaction", "0x" + raw.hex())
        except EndpointRefused as error:
            if any(words in error.why.lower() for words in ALREADY_KNOWN):
                return
            raise
        if said != transaction_hash:
            raise EndpointUnusable(endpoint=self.rpc.name, why=f"it names another hash than {transaction_hash} for what was sent")

    def receipt(self, transaction_hash: str) -> Mined | None:
        """The receipt of a mined transaction; None where this endpoint has none. Raises EndpointUnusable."""
        said = self.rpc.ask("eth_getTransactionReceipt", transaction_hash)
        if said is None:
            return None
        try:
            mined = _mined(said)
        except (ValueError, KeyError, TypeError) as error:
            raise self._malformed("eth_getTransactionReceipt", error) from None
        if mined.hash != transaction_hash:
            raise EndpointUnusable(endpoint=self.rpc.name, why=f"it gave the receipt of {mined.hash} for {transaction_hash}")
        return mined

    def knows(self, transaction_hash: str) -> bool:
        """Whether the endpoint has the transaction, mined or waiting."""
        return self.rpc.ask("eth_getTransactionByHash", transaction_hash) is not None

    def header(self, number: int) -> Block:
        """A block's header by its number, without answers. Raises IncompleteRead."""
        said = self.rpc.ask("eth_getBlockByNumber", hex(number), False)
        try:
            return _header(said, ())
        except (ValueError, KeyError) as error:
            raise IncompleteRead(f"block {number} of {self.rpc.name}: {error}") from None

    def code(self, addresses: Sequence[Address]) -> tuple[bytes, ...]:
        """The contracts' code now, in one request. Raises EndpointUnusable."""
        requests: list[Request] = [("eth_getCode", [address, "latest"]) for address in addresses]
        try:
            return tuple([data_of(said, "a contract's code") for said in self.rpc.ask_all(requests)])
        except ValueError as error:
            raise self._malformed("eth_getCode", error) from None

    def now(self) -> int:
        """The wallet's clock: see `clock`."""
        if self._chain_id is None:
            self._chain_id = self.chain_id()
        return clock(self._chain_id, self.read_header().timestamp if self._chain_id == LOCAL_CHAIN_ID else 0)

    def read_header(self) -> Block:
        """The latest block's header alone. Raises IncompleteRead."""
        said = self.rpc.ask("eth_getBlockByNumber", "latest", False)
        try:
            return _header(said, ())
        except (ValueError, KeyError) as error:
            raise IncompleteRead(f"the latest block of {self.rpc.name}: {error}") from None

    def _number(self, method: str, params: list[object]) -> int:
        try:
            return quantity(self.rpc.ask(method, *params), method)
        except ValueError as error:
            raise self._malformed(method, error) from None

    def _malformed(self, method: str, error: Exception) -> EndpointUnusable:
        return EndpointUnusable(endpoint=self.rpc.name, why=f"its answer to {method} is malformed: {error}")


def clock(chain_id: int, block_timestamp: int) -> int:
    """The one rule of the wallet's time: a private chain's time is what its blocks say, everywhere else it is the system's."""
    return block_timestamp if chain_id == LOCAL_CHAIN_ID else int(time.time())


def code_digest(code: bytes) -> str:
    """Keccak of a contract's code, as a deployment pins it."""
    from eth_utils.crypto import keccak

    return "0x" + keccak(code).hex()


def encode_aggregate(calls: Sequence[Call]) -> bytes:
    """Calldata of Multicall3.aggregate3, each call allowed to fail alone."""
    heads, tails, offset = [], [], 32 * len(calls)
    for call in calls:
        padded = call.data + bytes(-len(call.data) % 32)
        tail = bytes(12) + bytes.fromhex(call.target[2:]) + MAY_FAIL + _word(len(call.data)) + padded
        heads.append(_word(offset))
        tails.append(tail)
        offset += len(tail)
    return AGGREGATE3 + _word(0x20) + _word(len(calls)) + b"".join(heads) + b"".join(tails)


def decode_aggregate(answer: bytes, count: int) -> tuple[bytes | None, ...]:
    """Results of aggregate3, None where a call failed. Raises ValueError."""
    if _at(answer, 0) != 0x20 or _at(answer, 32) != count:
        raise ValueError(f"the multicall did not answer {count} calls")
    results: list[bytes | None] = []
    for index in range(count):
        start = 64 + _at(answer, 64 + 32 * index)
        succeeded, data_start = _at(answer, start), start + _at(answer, start + 32)
        size = _at(answer, data_start)
        data = answer[data_start + 32 : data_start + 32 + size]
        if succeeded > 1 or len(data) != size:
            raise ValueError("the multicall's answer is cut")
        results.append(data if succeeded else None)
    return tuple(results)


def logs_of(entries: object) -> tuple[Log, ...]:
    """Events as endpoints write them. Raises ValueError, KeyError."""
    if not isinstance(entries, list):
        raise ValueError("there is no list of events")
    return tuple([_log(_mapping(entry, "an event")) for entry in entries])


def _consistent(header: object, answers: object, count: int) -> Block:
    results = decode_aggregate(data_of(answers, "the multicall's answer"), count)
    block = _header(header, results[2:])
    said = [int.from_bytes(result, "big") for result in results[:2] if result is not None and len(result) == 32]
    if said != [block.number, block.timestamp]:
        raise ValueError(f"header and answers are of two blocks: {block.number}, and {said}")
    return block


def _header(said: object, results: tuple[bytes | None, ...]) -> Block:
    content = _mapping(said, "the block")
    names = ("number", "timestamp", "baseFeePerGas")
    number, timestamp, base_fee_wei = (quantity(content[name], f"the block's {name}") for name in names)
    if max(number, timestamp, base_fee_wei) >> 63:
        raise ValueError("the block's number, timestamp or base fee is more than any chain has")
    return Block(number=number, hash=_hash(content["hash"]), timestamp=timestamp, base_fee_wei=base_fee_wei, results=results)


def _mined(said: object) -> Mined:
    content = _mapping(said, "the receipt")
    return Mined(
        hash=_hash(content["transactionHash"]),
        block=quantity(content["blockNumber"], "the receipt's block"),
        block_hash=_hash(content["blockHash"]),
        succeeded=_status(content["status"]),
        gas_used=quantity(content["gasUsed"], "the gas used"),
        gas_price_wei=quantity(content["effectiveGasPrice"], "the gas price"),
        logs=logs_of(content["logs"]),
        data_fee_wei=quantity(content.get("l1Fee", "0x0"), "the fee for data"),
    )


def _status(value: object) -> bool:
    status = quantity(value, "the status")
    if status > 1:
        raise ValueError("the status is neither 0 nor 1")
    return status == 1


def _log(content: Mapping[str, object]) -> Log:
    topics = content["topics"]
    if not isinstance(topics, list):
        raise ValueError("an event has no topics")
    address = data_of(content["address"], "an event's address")
    words = tuple([data_of(topic, "a topic") for topic in topics])
    if len(address) != 20 or any(len(word) != 32 for word in words):
        raise ValueError("an event's address is not 20 bytes, or a topic not 32")
    return Log("0x" + address.hex(), words, data_of(content["data"], "its data"))


def _hash(value: object) -> str:
    if len(data_of(value, "a hash")) != 32:
        raise ValueError("a hash is not 32 bytes")
    return str(value).lower()


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is missing")
    return value


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _at(answer: bytes, offset: int) -> int:
    if offset + 32 > len(answer):
        raise ValueError("the multicall's answer is cut")
    return int.from_bytes(answer[offset : offset + 32], "big")
