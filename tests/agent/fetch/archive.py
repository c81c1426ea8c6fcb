"""An archive endpoint on the loopback interface: one block every twelve seconds, contracts that answer a balance of nothing."""

import json
from dataclasses import dataclass, field

from eth_abi.abi import decode, encode

from strategies.domain import Asset, Deployment, Market
from tests.agent.loopback import Answer, said
from wallets.endpoints import GET_BLOCK_NUMBER, GET_CURRENT_BLOCK_TIMESTAMP

CHAIN = 1
GENESIS = 1_700_000_000
PACE = 12
USDC = Asset(CHAIN, "0x" + "a0" * 20, "USDC", 6)
VAULT = Market("vault:USDC", "recorded_index", "0x" + "01" * 20, USDC)
DEPLOYMENT = Deployment(CHAIN, "a test", "0x" + "ca" * 20, (USDC,), (VAULT,), {})


def hash_of(number: int) -> str:
    return f"0x{number:064x}"


@dataclass
class ArchiveNode:
    """Answers single requests and batches. `refuse` gives an error to so many calls of contracts; `wrong` answers for the block
    before."""

    blocks: int = 10_000
    chain_id: int = CHAIN
    refuse: int = 0
    wrong: bool = False
    busy: int = 0
    sampled: list[int] = field(default_factory=list)

    def __call__(self, path: str, body: bytes) -> Answer:
        if self.busy:
            self.busy -= 1
            return Answer(b"", status=429)
        asked = json.loads(body)
        if isinstance(asked, list):
            return said([self.answer(one) for one in asked])
        return said(self.answer(asked))

    def answer(self, asked: dict[str, object]) -> dict[str, object]:
        method, params = str(asked["method"]), asked["params"]
        assert isinstance(params, list)
        if method == "eth_call" and self.refuse:
            self.refuse -= 1
            return {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32000, "message": "missing trie node"}}
        return {"jsonrpc": "2.0", "id": asked["id"], "result": self.result(method, params)}

    def result(self, method: str, params: list[object]) -> object:
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "eth_getBlockByNumber":
            number = self.blocks - 1 if params[0] == "latest" else int(str(params[0]), 16)
            return self.header(number - self.wrong) if number < self.blocks else None
        if method == "eth_getBlockByHash":
            return self.header(int(str(params[0]), 16))
        assert method == "eth_call"
        question, at = params
        assert isinstance(question, dict) and isinstance(at, dict)
        number = int(at["blockHash"], 16)
        self.sampled.append(number)
        return "0x" + self.aggregate(bytes.fromhex(question["data"][2:]), number).hex()

    def header(self, number: int) -> dict[str, str]:
        timestamp = hex(GENESIS + number * PACE)
        return {"number": hex(number), "hash": hash_of(number), "timestamp": timestamp, "baseFeePerGas": hex(10**9 + number)}

    def aggregate(self, data: bytes, number: int) -> bytes:
        (calls,) = decode(["(address,bool,bytes)[]"], data[4:])
        known = {GET_BLOCK_NUMBER: number, GET_CURRENT_BLOCK_TIMESTAMP: GENESIS + number * PACE}
        results = [(True, known.get(bytes(call[2])[:4], 0).to_bytes(32, "big")) for call in calls]
        return encode(["(bool,bytes)[]"], [results])
