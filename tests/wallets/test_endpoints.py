"""Reads that must be whole, strict and of one block, and secrets that stay in the URL."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from strategies.errors import EndpointRefused, EndpointUnusable, IncompleteRead, SettingsError
from strategies.protocols.adapter import Call
from tests.wallets.loopback import Loopback, Question, questions
from wallets import endpoints, rpc
from wallets.endpoints import Endpoint, Log, clock, code_digest, decode_aggregate, encode_aggregate

MULTICALL = "0x" + "ca" * 20
SECRET = "s3cr3t-path-token"
HASH = "0x" + "5a" * 32
SENT = "0x" + "11" * 32
HEADER: dict[str, Any] = {"number": "0x10", "hash": HASH, "timestamp": "0x20", "baseFeePerGas": "0x7"}
LOG: dict[str, Any] = {"address": "0x" + "aa" * 20, "topics": [HASH], "data": "0x01"}
RECEIPT: dict[str, Any] = {
    "transactionHash": SENT,
    "blockNumber": "0x1",
    "blockHash": HASH,
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x1",
    "logs": [LOG],
}
NO_QUANTITY = ("1", "21000", "-0x1", "0x", "0x1_0", " 0x1", 1, 1.5, True, None)  # what a lenient reader takes for a number
NO_LOGS: tuple[object, ...] = (None, "0x", {}, [None], [{}])


def answer_bytes(results: list[tuple[bool, bytes]]) -> bytes:
    """What Multicall3.aggregate3 returns, by eth_abi."""
    return encode(["(bool,bytes)[]"], [results])


def aggregate(number: int, timestamp: int, *results: tuple[bool, bytes]) -> str:
    """The eth_call's answer with block number and timestamp in front."""
    first = [(True, number.to_bytes(32, "big")), (True, timestamp.to_bytes(32, "big"))]
    return "0x" + answer_bytes([*first, *results]).hex()


def node(answers: dict[str, Any]) -> Callable[[bytes], tuple[int, bytes]]:
    """A node that gives the same result to a method each time."""

    def respond(body: bytes) -> tuple[int, bytes]:
        asked = json.loads(body)
        said = [{"jsonrpc": "2.0", "id": question["id"], "result": answers[question["method"]]} for question in questions(body)]
        return 200, json.dumps(said if isinstance(asked, list) else said[0]).encode()

    return respond


def body_only(said: bytes) -> Callable[[bytes], tuple[int, bytes]]:
    return lambda _: (200, said)


HONEST: dict[str, Any] = {"eth_getBlockByNumber": HEADER, "eth_call": aggregate(16, 32, (True, b"\x01" * 32), (False, b""))}
ASKED = (Call("0x" + "aa" * 20, b"\x01\x02\x03\x04"), Call("0x" + "bb" * 20, b"\x05"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(endpoints.time, "sleep", lambda seconds: None)
    yield


def test_reads_a_block_and_its_answers_in_one_http_request() -> None:
    with Loopback(node(HONEST)) as server:
        block = Endpoint(server.url, timeout_seconds=5).read(ASKED, MULTICALL)
    assert (block.number, block.hash, block.timestamp, block.base_fee_wei) == (16, HASH, 32, 7)
    assert block.results == (b"\x01" * 32, None)
    assert len(server.bodies) == 1
    assert server.methods() == ["eth_getBlockByNumber", "eth_call"]


@pytest.mark.parametrize(("number", "timestamp"), [(17, 32), (16, 33)])
def test_refuses_answers_of_another_block_than_the_header(number: int, timestamp: int) -> None:
    with Loopback(node(HONEST | {"eth_call": aggregate(number, timestamp, (True, b""), (True, b""))})) as server:
        with pytest.raises(IncompleteRead, match="two blocks"):
            Endpoint(server.url, timeout_seconds=5).read(ASKED, MULTICALL)
        assert len(server.bodies) == endpoints.READ_ATTEMPTS


def test_reads_again_when_the_head_moved_between_the_two_answers() -> None:
    moved = iter([aggregate(15, 31, (True, b""), (True, b"")), HONEST["eth_call"]])

    def respond(body: bytes) -> tuple[int, bytes]:
        return node(HONEST | {"eth_call": next(moved)})(body)

    with Loopback(respond) as server:
        assert Endpoint(server.url, timeout_seconds=5).read(ASKED, MULTICALL).number == 16


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"<html>please log in</html>",
        b'{"jsonrpc":"2.0","id":0,"result":"0x1"',
        b'{"jsonrpc":"2.0","id":0,"result":"0x1","result":"0x2"}',
        b'{"jsonrpc":"2.0","id":7,"result":"0x1"}',
        b'{"jsonrpc":"2.0","id":false,"result":"0x1"}',
        b'{"jsonrpc":"1.0","id":0,"result":"0x1"}',
        b'{"jsonrpc":"2.0","id":0}',
        b'{"jsonrpc":"2.0","id":0,"result":null}',
        b'{"jsonrpc":"2.0","id":0,"result":"1"}',
        b'{"jsonrpc":"2.0","id":0,"result":"-0x1"}',
        b'{"jsonrpc":"2.0","id":0,"result":1}',
        b'{"jsonrpc":"2.0","id":0,"result":NaN}',
        b'{"jsonrpc":"2.0","id":0,"error":"no"}',
        b'[{"jsonrpc":"2.0","id":0,"result":"0x1"}]',
        b"[" * 100_000,
    ],
)
def test_refuses_a_malformed_answer_by_name(said: bytes) -> None:
    with Loopback(body_only(said)) as server, pytest.raises(EndpointUnusable):
        Endpoint(server.url, timeout_seconds=5).chain_id()


def test_takes_a_well_formed_answer() -> None:
    with Loopback(body_only(b'{"jsonrpc":"2.0","id":0,"result":"0x7a69"}')) as server:
        assert Endpoint(server.url, timeout_seconds=5).chain_id() == 31337


@pytest.mark.parametrize("status", [302, 429, 500, 502])
def test_refuses_every_status_but_ok(status: int) -> None:
    with (
        Loopback(lambda _: (status, b'{"jsonrpc":"2.0","id":0,"result":"0x1"}')) as server,
        pytest.raises(EndpointUnusable, match=f"HTTP {status}"),
    ):
        Endpoint(server.url, timeout_seconds=5).chain_id()


def test_says_by_name_that_an_endpoint_takes_no_batches() -> None:
    with (
        Loopback(body_only(b'{"jsonrpc":"2.0","id":null,"result":"0x1"}')) as server,
        pytest.raises(IncompleteRead, match="does not answer batches"),
    ):
        Endpoint(server.url, timeout_seconds=5).read(ASKED, MULTICALL)


def test_carries_the_nodes_own_refusal() -> None:
    with (
        Loopback(body_only(b'{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"no such method"}}')) as server,
        pytest.raises(EndpointRefused, match="no such method") as caught,
    ):
        Endpoint(server.url, timeout_seconds=5).chain_id()
    assert caught.value.code == -32601


def echo(question: Question) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 0, "error": {"code": 1, "message": f"/v3/{SECRET}?key={SECRET} is down"}}).encode()


@pytest.mark.parametrize("said", [b"", b"<html>", echo({}), b'{"jsonrpc":"2.0","id":3}'])
def test_the_urls_secret_is_in_no_message(said: bytes) -> None:
    with Loopback(body_only(said)) as server:
        port = server.url.rsplit(":", 1)[1]
        endpoint = Endpoint(f"http://user:{SECRET}@127.0.0.1:{port}/v3/{SECRET}?key={SECRET}", timeout_seconds=5)
        with pytest.raises((EndpointUnusable, EndpointRefused)) as caught:
            endpoint.chain_id()
        with pytest.raises(IncompleteRead) as read:
            endpoint.read(ASKED, MULTICALL)
    told = f"{caught.value!s} {caught.value!r} {vars(caught.value)} {read.value!s} {endpoint!r} {endpoint.rpc!r}"
    assert SECRET not in told
    assert f"http://127.0.0.1:{port}" in told


def test_refuses_a_url_that_is_none_without_repeating_it() -> None:
    with pytest.raises(SettingsError) as caught:
        Endpoint(f"ftp://{SECRET}", timeout_seconds=5)
    assert SECRET not in str(caught.value)


def test_an_endpoint_that_is_not_there_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(EndpointUnusable, match=url):
        Endpoint(url, timeout_seconds=5).chain_id()


@pytest.mark.parametrize("begun", [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\nServer:"])
def test_an_answer_that_drips_byte_by_byte_is_cut_at_the_total_deadline(begun: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(begun)
            while not done.wait(0.02):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(EndpointUnusable, match=r"no answer within 0\.3 s"):
            Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_seconds=0.3).chain_id()
    finally:
        done.set()
        thread.join()
        listener.close()


def test_refuses_an_answer_that_is_one_byte_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    said = b'{"jsonrpc":"2.0","id":0,"result":"0x1"}'
    with Loopback(body_only(said)) as server:
        monkeypatch.setattr(rpc, "MAX_ANSWER_BYTES", len(said))
        assert Endpoint(server.url, timeout_seconds=5).chain_id() == 1
        monkeypatch.setattr(rpc, "MAX_ANSWER_BYTES", len(said) - 1)
        with pytest.raises(EndpointUnusable, match="longer than"):
            Endpoint(server.url, timeout_seconds=5).chain_id()


def test_a_connection_that_the_server_closed_is_opened_again() -> None:
    with Loopback(body_only(b'{"jsonrpc":"2.0","id":0,"result":"0x1"}')) as server:
        endpoint = Endpoint(server.url, timeout_seconds=5)
        assert endpoint.chain_id() == 1
        connection = endpoint.rpc._connection
        assert connection is not None
        connection.sock.shutdown(socket.SHUT_RDWR)
        assert endpoint.chain_id() == 1


def test_having_the_bytes_already_is_success() -> None:
    for words in ("already known", "transaction already imported", "ALREADYKNOWN: known transaction"):
        said = json.dumps({"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": words}}).encode()
        with Loopback(body_only(said)) as server:
            Endpoint(server.url, timeout_seconds=5).send_raw(b"\x02", HASH)


def test_a_nonce_too_low_is_not_success() -> None:
    with (
        Loopback(body_only(b'{"jsonrpc":"2.0","id":0,"error":{"code":-32003,"message":"nonce too low"}}')) as server,
        pytest.raises(EndpointRefused, match="nonce too low"),
    ):
        Endpoint(server.url, timeout_seconds=5).send_raw(b"\x02", HASH)


def test_refuses_another_hash_for_what_was_sent() -> None:
    with (
        Loopback(node({"eth_sendRawTransaction": "0x" + "11" * 32})) as server,
        pytest.raises(EndpointUnusable, match="another hash"),
    ):
        Endpoint(server.url, timeout_seconds=5).send_raw(b"\x02", HASH)


def test_refuses_the_receipt_of_another_transaction() -> None:
    with Loopback(node({"eth_getTransactionReceipt": RECEIPT})) as server:
        endpoint = Endpoint(server.url, timeout_seconds=5)
        with pytest.raises(EndpointUnusable, match="gave the receipt of"):
            endpoint.receipt(HASH)
        mined = endpoint.receipt(SENT)
    assert mined is not None
    assert mined.succeeded
    assert (mined.gas_used, mined.logs) == (21_000, (Log("0x" + "aa" * 20, (b"\x5a" * 32,), b"\x01"),))


@pytest.mark.parametrize(
    "lie",
    [
        *[{key: wrong} for key in ("blockNumber", "gasUsed", "effectiveGasPrice") for wrong in NO_QUANTITY],
        *[{"status": wrong} for wrong in (*NO_QUANTITY, "0x2")],
        *[{key: wrong} for key in ("transactionHash", "blockHash") for wrong in (None, 5, "5a" * 32, "0x5a")],
        *[{"logs": wrong} for wrong in NO_LOGS],
        *[{"logs": [LOG | {"address": wrong}]} for wrong in (None, 5, "aa" * 20)],
        *[{"logs": [LOG | {"topics": wrong}]} for wrong in (None, "0x", [5], [None])],
        *[{"logs": [LOG | {"data": wrong}]} for wrong in (None, 1, True, "1", "0x1")],
    ],
    ids=str,
)
def test_refuses_a_receipt_with_a_field_that_is_not_what_it_should_be(lie: dict[str, object]) -> None:
    with Loopback(node({"eth_getTransactionReceipt": RECEIPT | lie})) as server, pytest.raises(EndpointUnusable):
        Endpoint(server.url, timeout_seconds=5).receipt(SENT)


@pytest.mark.parametrize(
    "lie",
    [
        *[{key: wrong} for key in ("number", "timestamp", "baseFeePerGas") for wrong in (*NO_QUANTITY, hex(2**63))],
        *[{"hash": wrong} for wrong in (None, 5, "5a" * 32, "0x5a")],
    ],
    ids=str,
)
def test_refuses_a_header_with_a_field_that_is_not_what_it_should_be(lie: dict[str, object]) -> None:
    with Loopback(node(HONEST | {"eth_getBlockByNumber": HEADER | lie})) as server:
        endpoint = Endpoint(server.url, timeout_seconds=5)
        with pytest.raises(IncompleteRead):
            endpoint.read_header()
        with pytest.raises(IncompleteRead):
            endpoint.read(ASKED, MULTICALL)


@pytest.mark.parametrize(
    ("ask", "methods"),
    [
        (lambda endpoint: endpoint.chain_id(), ["eth_chainId"]),
        (lambda endpoint: endpoint.nonce(MULTICALL, "latest"), ["eth_getTransactionCount"]),
        (lambda endpoint: endpoint.balance_wei(MULTICALL), ["eth_getBalance"]),
        (lambda endpoint: endpoint.fees(), ["eth_getBlockByNumber", "eth_maxPriorityFeePerGas"]),
        (lambda endpoint: endpoint.send_raw(b"\x02", SENT), ["eth_sendRawTransaction"]),
        (lambda endpoint: endpoint.receipt(SENT), ["eth_getTransactionReceipt"]),
        (lambda endpoint: endpoint.knows(SENT), ["eth_getTransactionByHash"]),
        (lambda endpoint: endpoint.header(16), ["eth_getBlockByNumber"]),
        (lambda endpoint: endpoint.read_header(), ["eth_getBlockByNumber"]),
        (lambda endpoint: endpoint.code([MULTICALL, MULTICALL]), ["eth_getCode", "eth_getCode"]),
        (lambda endpoint: endpoint.read(ASKED, MULTICALL), ["eth_getBlockByNumber", "eth_call"]),
    ],
)
def test_each_question_is_one_http_request_and_asks_nothing_beside(ask: Callable[[Endpoint], object], methods: list[str]) -> None:
    counted = dict.fromkeys(("eth_chainId", "eth_getTransactionCount", "eth_getBalance", "eth_maxPriorityFeePerGas"), "0x1")
    hashed: dict[str, Any] = {
        "eth_sendRawTransaction": SENT,
        "eth_getTransactionReceipt": RECEIPT,
        "eth_getTransactionByHash": {},
    }
    with Loopback(node(HONEST | counted | hashed | {"eth_getCode": "0x00"})) as server:
        ask(Endpoint(server.url, timeout_seconds=5))
        assert len(server.bodies) == 1
        assert server.methods() == methods


def test_no_receipt_is_none() -> None:
    with Loopback(node({"eth_getTransactionReceipt": None})) as server:
        assert Endpoint(server.url, timeout_seconds=5).receipt(HASH) is None


def test_the_local_chain_has_its_own_time_and_every_other_the_systems() -> None:
    assert clock(31337, 12) == 12
    assert abs(clock(1, 12) - time.time()) < 5
    with Loopback(node({"eth_chainId": "0x7a69", "eth_getBlockByNumber": HEADER})) as server:
        assert Endpoint(server.url, timeout_seconds=5).now() == 32


def test_a_codes_digest_is_its_keccak() -> None:
    assert code_digest(b"") == "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


addresses = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
calls = st.lists(st.builds(Call, addresses, st.binary(max_size=80)), max_size=5)


@given(calls)
def test_a_multicall_is_encoded_as_eth_abi_does(asked: list[Call]) -> None:
    tuples = [(call.target, True, call.data) for call in asked]
    assert encode_aggregate(asked)[4:] == encode(["(address,bool,bytes)[]"], [tuples])


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=80)), max_size=5))
def test_a_multicalls_answer_is_read_as_eth_abi_does(results: list[tuple[bool, bytes]]) -> None:
    answer = answer_bytes(results)
    (oracle,) = decode(["(bool,bytes)[]"], answer)
    assert decode_aggregate(answer, len(results)) == tuple(data if good else None for good, data in oracle)


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=80)), min_size=1, max_size=5), st.data())
def test_a_cut_answer_is_never_read_as_a_whole_one(results: list[tuple[bool, bytes]], data: st.DataObject) -> None:
    answer = answer_bytes(results)
    last = len(results[-1][1])
    padding = -last % 32
    kept = data.draw(st.integers(min_value=0, max_value=len(answer) - padding - 1))
    with pytest.raises(ValueError, match="multicall"):
        decode_aggregate(answer[:kept], len(results))
