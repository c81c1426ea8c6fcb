"""Calls on the local chain, one transaction a block. It signs nothing: the node unlocks its own published accounts.

Gas, fee and nonce never depend on an estimate, so the same calls make the same blocks.
"""

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.grammar import TupleType, parse
from eth_utils.crypto import keccak

from agent.devnet.errors import SceneReverted
from agent.devnet.node import BASE_FEE_WEI, Node

GAS_LIMIT = 29_000_000
MAX_FEE_WEI = 20 * BASE_FEE_WEI
PRIORITY_FEE_WEI = BASE_FEE_WEI // 10


@dataclass(frozen=True, slots=True)
class Mined:
    """One mined transaction."""

    transaction_hash: str
    block_number: int
    gas_used: int
    contract: str | None


def argument_types(signature: str) -> tuple[str, ...]:
    """The ABI types between a signature's outer brackets."""
    inner = signature[signature.index("(") :]
    if inner == "()":
        return ()
    parsed = parse(inner)
    assert isinstance(parsed, TupleType)
    return tuple(component.to_type_str() for component in parsed.components)


def calldata(signature: str, *arguments: object) -> str:
    """The call `signature(arguments)` as `0x` hex."""
    return "0x" + (keccak(text=signature)[:4] + encode(argument_types(signature), arguments)).hex()


def transact(node: Node, sender: str, target: str, signature: str, *arguments: object, value_wei: int = 0) -> Mined:
    """Sends one call and mines it; a revert is an error."""
    return send(node, {"from": sender, "to": target, "data": calldata(signature, *arguments), "value": hex(value_wei)}, signature)


def create(node: Node, sender: str, code: str, signature: str = "()", *arguments: object) -> str:
    """Creates a contract from linked creation code and its constructor's arguments; answers its address."""
    data = code + encode(argument_types(signature), arguments).hex()
    contract = send(node, {"from": sender, "data": data}, f"constructor{signature}").contract
    assert contract is not None
    return contract


def send(node: Node, transaction: dict[str, str], signature: str) -> Mined:
    """Sends a transaction at the house's fees, at the constant base fee, and waits for its block."""
    node.set_next_base_fee(BASE_FEE_WEI)
    fees = {"gas": hex(GAS_LIMIT), "maxFeePerGas": hex(MAX_FEE_WEI), "maxPriorityFeePerGas": hex(PRIORITY_FEE_WEI)}
    receipt = node.rpc("eth_sendTransactionSync", transaction | fees)
    if int(receipt["status"], 16) != 1:
        raise SceneReverted(signature=signature, transaction_hash=str(receipt["transactionHash"]))
    contract = receipt.get("contractAddress")
    return Mined(
        transaction_hash=str(receipt["transactionHash"]),
        block_number=int(receipt["blockNumber"], 16),
        gas_used=int(receipt["gasUsed"], 16),
        contract=str(contract).lower() if contract else None,
    )


def read(node: Node, target: str, signature: str, returns: str, *arguments: object) -> tuple[Any, ...]:
    """What a call answers at the last block, decoded as the types in `returns`."""
    answer = node.rpc("eth_call", {"to": target, "data": calldata(signature, *arguments)}, "latest")
    return tuple(decode(argument_types(returns), bytes.fromhex(str(answer).removeprefix("0x"))))


def read_integer(node: Node, target: str, signature: str, *arguments: object) -> int:
    """What a call of one integer answers at the last block."""
    return int(read(node, target, signature, "(uint256)", *arguments)[0])


def read_address(node: Node, target: str, signature: str, *arguments: object) -> str:
    """What a call of one address answers at the last block."""
    return str(read(node, target, signature, "(address)", *arguments)[0]).lower()
