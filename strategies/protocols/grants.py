"""What lets others act for the account besides allowances of tokens, and how it is taken back: operators of collections (ERC-721
and ERC-1155), approvals of single tokens of theirs, and the allowances that Permit2 keeps for itself.

Refuses to grant: what would let anybody do anything parses to nothing. So does a contract that the deployment does not name, an
unlisted token, a value, and any calldata that is not its own canonical bytes."""

from collections.abc import Mapping, Sequence
from typing import Final

from strategies.domain import NATIVE, Address, Asset, Deployment
from strategies.errors import UnknownCall
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, UINT256, Call, Function, Uint
from strategies.revocations import GrantRevocation, Lockdown, RevokeOperator, RevokePermit, RevokeToken

SET_APPROVAL_FOR_ALL: Final = Function("a22cb465", ADDRESS, UINT256)
APPROVE_TOKEN: Final = Function("095ea7b3", ADDRESS, UINT256)  # of ERC-721: to whom, and which token
PERMIT2_APPROVE: Final = Function("87517c45", ADDRESS, ADDRESS, Uint(160), Uint(48))
LOCKDOWN: Final = bytes.fromhex("cc53287f")  # of pairs of a token and a spender
OF_COLLECTIONS: Final = (SET_APPROVAL_FOR_ALL.selector, APPROVE_TOKEN.selector)
OF_PERMIT2: Final = (PERMIT2_APPROVE.selector, LOCKDOWN)

COLLECTION: Final = "position_manager"  # the role of a market's contract that is one
NOBODY: Final[Address] = "0x" + "00" * 20
WORD: Final = 32

APPROVAL_FOR_ALL_TOPIC: Final = bytes.fromhex("17307eab39ab6107e8899845ad3d59bd9653f200f220920489ca2b5937696c31")
PERMIT2_APPROVAL_TOPIC: Final = bytes.fromhex("da9fa7c1b00402c17d0161b249b1ab8bbec047c5a52207b9c112deffd817036b")
PERMIT2_PERMIT_TOPIC: Final = bytes.fromhex("c6a377bfc4eb120024a8ac08eef205be16b817020812c73223e81d1bdb9708ec")
EVENTS: Final[Mapping[bytes, str]] = {
    APPROVAL_FOR_ALL_TOPIC: "an operator's approval",
    PERMIT2_APPROVAL_TOPIC: "an allowance within",
    PERMIT2_PERMIT_TOPIC: "a signed allowance within",
}


def collections(deployment: Deployment) -> frozenset[Address]:
    """The contracts that count the account's tokens one by one, and may know operators of it."""
    return frozenset([address for market in deployment.markets for role, address in market.contracts if role == COLLECTION])


def encode(action: GrantRevocation) -> Call:
    """The call that takes a grant back. Raises UnknownCall for pairs of none and for what no word carries."""
    try:
        return _call_of(action)
    except ValueError as error:
        raise UnknownCall(str(error)) from error


def parse(call: Call, deployment: Deployment) -> GrantRevocation | None:
    """Bytes back to meaning; None for what grants, for an unknown contract or token, a value, or one unread byte."""
    selector = call.data[:4]
    if call.value_wei or (selector not in OF_COLLECTIONS and selector not in OF_PERMIT2):
        return None
    try:
        if call.target == deployment.permit2 and selector in OF_PERMIT2:
            return _of_permit2(call, deployment.assets)
        if selector in OF_COLLECTIONS and call.target in collections(deployment):
            return _of_collection(call)
    except ValueError:
        return None
    return None


def pairs_of(data: bytes) -> tuple[tuple[Address, Address], ...]:
    """The tokens and spenders that a lockdown names. Raises ValueError on anything but its canonical bytes."""
    words = [data[start : start + WORD] for start in range(4, len(data), WORD)]
    places = [ADDRESS.unpack(word) for word in words[2:]]
    pairs = tuple(zip(places[::2], places[1::2], strict=True))
    if not pairs or data != _lockdown(pairs):
        raise ValueError("it is no list of pairs as the ABI's own encoder writes it")
    return pairs


def granted(topics: Sequence[bytes], data: bytes) -> str | None:
    """What an event says that somebody was granted; empty where it takes that back, None for any other event."""
    if topics[0] in EVENTS:
        return EVENTS[topics[0]] if topics[0] == PERMIT2_PERMIT_TOPIC or data[:WORD] != bytes(WORD) else ""
    if topics[0] == erc20.APPROVAL_TOPIC and len(topics) == 4:  # its third is which token of a collection, not how much
        return "an approval of a single token" if any(topics[2]) else ""
    return None


def _call_of(action: GrantRevocation) -> Call:
    match action:
        case RevokeOperator(collection, operator):
            return Call(collection, SET_APPROVAL_FOR_ALL.encode(operator, 0))
        case RevokeToken(collection, token_id):
            return Call(collection, APPROVE_TOKEN.encode(NOBODY, token_id))
        case RevokePermit(contract, asset, spender):
            return Call(contract, PERMIT2_APPROVE.encode(_token(asset), spender, 0, 0))
        case Lockdown(contract, pairs):
            if not pairs:
                raise ValueError("a lockdown of no pairs takes nothing back")
            return Call(contract, _lockdown([(_token(asset), spender) for asset, spender in pairs]))


def _token(asset: Asset) -> Address:
    if asset.address == NATIVE:
        raise ValueError("the native coin has no allowances")
    return asset.address


def _lockdown(pairs: Sequence[tuple[Address, Address]]) -> bytes:
    words = [ADDRESS.pack(place) for pair in pairs for place in pair]
    return LOCKDOWN + UINT256.pack(WORD) + UINT256.pack(len(pairs)) + b"".join(words)


def _of_collection(call: Call) -> GrantRevocation | None:
    """Raises ValueError."""
    if call.data[:4] == APPROVE_TOKEN.selector:
        party, token_id = APPROVE_TOKEN.decode(call.data)
        return RevokeToken(call.target, int(token_id)) if party == NOBODY else None
    operator, is_granted = SET_APPROVAL_FOR_ALL.decode(call.data)
    return None if is_granted else RevokeOperator(call.target, str(operator))


def _of_permit2(call: Call, assets: Sequence[Asset]) -> GrantRevocation | None:
    """Raises ValueError."""
    known = {asset.address: asset for asset in assets if asset.address != NATIVE}
    if call.data[:4] == PERMIT2_APPROVE.selector:
        token, spender, raw, expiry = PERMIT2_APPROVE.decode(call.data)
        asset = known.get(str(token))
        return None if asset is None or raw or expiry else RevokePermit(call.target, asset, str(spender))
    pairs = pairs_of(call.data)
    if any(token not in known for token, _ in pairs):
        return None
    return Lockdown(call.target, tuple([(known[token], spender) for token, spender in pairs]))
