"""What another program may ask of the keeper in Ethereum's own words: one transaction, as plain as transactions are.

Refuses every other envelope (no legacy, access-list, blob or delegating transaction, no creation, no other chain), every word it
does not know, and every signature over anything that is not a transaction: hashes, messages, typed data, delegations. A permit
is an allowance too, and one that cannot be taken back before it is used; allowances are zero after every plan."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address
from strategies.protocols.adapter import Call
from strategies.units import MAX_UINT256
from wallets.checksums import ADDRESS, is_checksummed
from wallets.wallet import Reason, Wish

QUANTITY: Final = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,63})")
BYTES: Final = re.compile(r"0x([0-9a-fA-F]{2})*")
FEE_MARKET: Final = 2  # EIP-1559, the one type that is signed here
SENDING: Final = "eth_sendTransaction"

ELSEWHERE: Final[Mapping[str, str]] = {  # fields of other envelopes
    "gasPrice": "a gas price belongs to a legacy transaction: name maxFeePerGas",
    "authorizationList": "a delegation gives the account to another's code, on every chain if it likes",
    "blobVersionedHashes": "blobs are not sent from here",
    "maxFeePerBlobGas": "blobs are not sent from here",
}
WISHES: Final = ("gas", "maxFeePerGas", "maxPriorityFeePerGas")
FIELDS: Final = frozenset({"type", "chainId", "from", "to", "value", "data", "input", "accessList", "nonce", *WISHES, *ELSEWHERE})

_PERMIT: Final = (
    "this keeper signs no typed data: a permit or an order moves value later, where no simulation, limit or revocation reaches,"
    " and every allowance must be zero after a plan; ask for the call itself"
)
_DELEGATION: Final = "this keeper signs no delegation (EIP-7702): it gives the account to another's code, and outlives any limit"
SIGNATURES: Final[Mapping[str, str]] = {  # methods that end in a signature, and why none is given
    "eth_sign": "this keeper signs no hash: nobody can read what it stands for",
    "personal_sign": "this keeper signs no message: what it is used for is decided by whoever shows it",
    "eth_signTypedData": _PERMIT,
    "eth_signTypedData_v1": _PERMIT,
    "eth_signTypedData_v3": _PERMIT,
    "eth_signTypedData_v4": _PERMIT,
    "eth_signTransaction": f"this keeper gives no signed bytes away to be sent by others; ask {SENDING}",
    "eth_sendRawTransaction": f"this keeper sends only what it has judged and signed itself; ask {SENDING}",
    "wallet_signAuthorization": _DELEGATION,
    "eth_signAuthorization": _DELEGATION,
    "wallet_sendCalls": "batches are asked for as a plan, not as one delegated transaction",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A transaction as it was asked for: a call, and the fees and gas that the client would like."""

    call: Call
    wish: Wish


def refuse_method(method: str) -> Reason:
    """Why a method other than sending a transaction gets nothing."""
    why = SIGNATURES.get(method, f"the keeper knows no such method; it sends transactions ({SENDING}) and judges plans")
    return Reason("signature", f"{_shown(method)}: {why}")


def read_transaction(fields: Mapping[str, object], *, chain_id: int, account: Address) -> Wanted | tuple[Reason, ...]:
    """A JSON-RPC transaction object as a call, or everything that is wrong with its envelope."""
    if reasons := tuple(_faults(fields, chain_id, account)):
        return reasons
    data = fields.get("data", fields.get("input", "0x"))
    gas, max_fee, tip = (_quantity(fields[name]) if name in fields else None for name in WISHES)
    value = _quantity(fields.get("value", "0x0"))
    call = Call(str(fields["to"]).lower(), bytes.fromhex(str(data)[2:]), value_wei=value or 0)
    return Wanted(call, Wish(gas, max_fee, tip))


def _faults(fields: Mapping[str, object], chain_id: int, account: Address) -> Iterator[Reason]:
    yield from (
        Reason("envelope", f"nobody here reads the field {_shown(name)}; leave it out") for name in fields.keys() - FIELDS
    )
    yield from (Reason("envelope", f"{name}: {why}; leave it out") for name, why in ELSEWHERE.items() if name in fields)
    yield from _envelope_faults(fields, chain_id)
    yield from _party_faults(fields, account)
    if "nonce" in fields:
        yield Reason("nonce", "the wallet counts its own nonces, so that nothing is replaced behind it; leave nonce out")
    for name in (*WISHES, "value"):
        if name in fields and _quantity(fields[name]) is None:
            rule = "value" if name == "value" else "gas"
            yield Reason(
                rule, f"{name} is {_shown(fields[name])}, no hexadecimal quantity of at most {MAX_UINT256.bit_length()} bits"
            )
    for name in ("data", "input"):
        if name in fields and (not isinstance(fields[name], str) or BYTES.fullmatch(str(fields[name])) is None):
            yield Reason("calldata", f"{name} is no string of whole hexadecimal bytes")
    if "data" in fields and "input" in fields and fields["data"] != fields["input"]:
        yield Reason("calldata", "data and input differ: write one of them")


def _envelope_faults(fields: Mapping[str, object], chain_id: int) -> Iterator[Reason]:
    if _quantity(fields.get("type")) != FEE_MARKET:
        yield Reason("envelope", f"type is {_shown(fields.get('type'))}; only type 0x2 (EIP-1559) is signed here")
    if _quantity(fields.get("chainId")) != chain_id:
        yield Reason("chain", f"chainId is {_shown(fields.get('chainId'))}; this wallet is of chain {chain_id} ({chain_id:#x})")
    if fields.get("accessList", []) != []:
        yield Reason("envelope", "the access list is not empty; leave it out")


def _party_faults(fields: Mapping[str, object], account: Address) -> Iterator[Reason]:
    sender, target = fields.get("from"), fields.get("to")
    if "from" in fields and (not isinstance(sender, str) or sender.lower() != account):
        yield Reason("envelope", f"from is {_shown(sender)}; this wallet is {account}")
    if target is None:
        yield Reason("envelope", "there is no `to`: a contract is never created from here")
    elif not isinstance(target, str) or ADDRESS.fullmatch(target) is None:
        yield Reason("target", f"to is {_shown(target)}, no address")
    elif not is_checksummed(target):
        yield Reason("target", f"to is {target}, whose capitals are not its checksum: a digit may be wrong; copy it again")


def _quantity(value: object) -> int | None:
    """A JSON-RPC quantity: hexadecimal, no leading zero, at most 256 bits; None for anything else."""
    return int(value, 16) if isinstance(value, str) and QUANTITY.fullmatch(value) else None


def _shown(value: object) -> str:
    """A stranger's word, short and on one line."""
    return ascii(value)[:60]
