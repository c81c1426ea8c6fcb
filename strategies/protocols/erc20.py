"""ERC-20 tokens and the native coin: balances, allowances, exact approvals, transfers, and what their events say.

Refuses calls on tokens it was not told of, calls that carry value, and any calldata that is not its own canonical bytes.
Sending the native coin is no action here and parses to nothing."""

from collections.abc import Sequence
from typing import Final

from strategies.domain import NATIVE, Address, Amount, Approve, Asset, Revoke, Transfer
from strategies.errors import IncompleteRead, UnknownCall
from strategies.protocols.adapter import ADDRESS, UINT256, Call, Function

BALANCE_OF: Final = Function("70a08231", ADDRESS)
ALLOWANCE: Final = Function("dd62ed3e", ADDRESS, ADDRESS)
APPROVE: Final = Function("095ea7b3", ADDRESS, UINT256)
TRANSFER: Final = Function("a9059cbb", ADDRESS, UINT256)
GET_ETH_BALANCE: Final = Function("4d2301cc", ADDRESS)  # of Multicall3, so that the native coin is one read among others

TRANSFER_TOPIC: Final = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
APPROVAL_TOPIC: Final = bytes.fromhex("8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925")


def balance_read(asset: Asset, account: Address, multicall: Address) -> Call:
    """What to ask for an account's balance; of the native coin, Multicall3 is asked."""
    if asset.address == NATIVE:
        return Call(multicall, GET_ETH_BALANCE.encode(account))
    return Call(asset.address, BALANCE_OF.encode(account))


def allowance_read(token: Address, owner: Address, spender: Address) -> Call:
    """What to ask for what a spender may still take."""
    return Call(token, ALLOWANCE.encode(owner, spender))


def read_amount(result: bytes, what: str) -> int:
    """The one word that a balance or allowance read answers. Raises IncompleteRead."""
    if len(result) != 32:
        raise IncompleteRead(f"{what}: {len(result)} bytes where 32 are due")
    return int.from_bytes(result, "big")


def approve_exactly(amount: Amount, spender: Address) -> Call:
    """The approval of exactly this amount."""
    return Call(amount.asset.address, APPROVE.encode(spender, amount.raw))


def encode(action: Approve | Revoke | Transfer) -> Call:
    """The call of a token action. Raises UnknownCall for the native coin, an approval of nothing and what no word carries."""
    try:
        call = _call_of(action)
    except ValueError as error:
        raise UnknownCall(str(error)) from error
    if call.target == NATIVE:
        raise UnknownCall("the native coin has no token contract")
    return call


def parse(call: Call, assets: Sequence[Asset]) -> Approve | Revoke | Transfer | None:
    """Bytes back to meaning; None for an unlisted token, a value, or one unread byte."""
    asset = next((known for known in assets if known.address == call.target), None)
    if asset is None or call.target == NATIVE or call.value_wei:
        return None
    if (found := _decoded(APPROVE, call.data)) is not None:
        spender, raw = found
        return Approve(Amount(asset, raw), spender) if raw else Revoke(asset, spender)
    if (found := _decoded(TRANSFER, call.data)) is not None:
        recipient, raw = found
        return Transfer(Amount(asset, raw), recipient)
    return None


def decode_transfer(topics: Sequence[bytes], data: bytes) -> tuple[Address, Address, int] | None:
    """Sender, recipient and amount of a Transfer event; None for any other event or an unread byte."""
    return _event(TRANSFER_TOPIC, topics, data)


def decode_approval(topics: Sequence[bytes], data: bytes) -> tuple[Address, Address, int] | None:
    """Owner, spender and amount of an Approval event; None for any other event or an unread byte."""
    return _event(APPROVAL_TOPIC, topics, data)


def _call_of(action: Approve | Revoke | Transfer) -> Call:
    match action:
        case Approve(amount, spender):
            if amount.raw == 0:
                raise ValueError("an approval of zero is a Revoke")
            return approve_exactly(amount, spender)
        case Revoke(asset, spender):
            return Call(asset.address, APPROVE.encode(spender, 0))
        case Transfer(amount, recipient):
            return Call(amount.asset.address, TRANSFER.encode(recipient, amount.raw))


def _decoded(function: Function, data: bytes) -> tuple[Address, int] | None:
    if data[:4] != function.selector:
        return None
    try:
        party, raw = function.decode(data)
    except ValueError:
        return None
    return str(party), int(raw)


def _event(topic: bytes, topics: Sequence[bytes], data: bytes) -> tuple[Address, Address, int] | None:
    if len(topics) != 3 or bytes(topics[0]) != topic or len(data) != 32:
        return None
    try:
        one, other = ADDRESS.unpack(bytes(topics[1])), ADDRESS.unpack(bytes(topics[2]))
    except ValueError:
        return None
    return one, other, int.from_bytes(data, "big")
