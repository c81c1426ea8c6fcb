"""The one holder of the key. It signs an Approved whose digest it has recomputed, as a type-2 transaction of one chain, and
nothing else: no hashes, no messages, no typed data, no delegations, no legacy bytes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from strategies.domain import Address
from strategies.errors import NotApproved
from strategies.protocols.adapter import Call
from strategies.units import MAX_UINT256
from wallets import safe
from wallets.case import Fees
from wallets.recursion import recursion_limit_kept
from wallets.safe import Seat
from wallets.wallet import Approved, approval_digest

if TYPE_CHECKING:
    from eth_account import Account
    from eth_account.signers.local import LocalAccount

KDF: Final = "scrypt"
TARGET: Final = re.compile(r"0x[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Bytes ready to be stored and sent, and the hash the chain will know them by."""

    raw: bytes
    hash: str


class Signer:
    """A key that cannot be printed, copied or pickled, and the account it moves."""

    __slots__ = ("__account", "address")

    def __init__(self, account: "LocalAccount") -> None:
        self.__account: Final = account
        self.address: Final[Address] = account.address.lower()

    def __repr__(self) -> str:
        return f"Signer({self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer stays in its process")

    def __copy__(self) -> NoReturn:
        raise TypeError("a signer is one")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a signer is one")

    def sign(
        self,
        approved: Approved,
        *,
        index: int,
        nonce: int,
        fees: Fees,
        gas_limit: int,
        policy_digest: str,
        chain_id: int,
        seat: Seat,
    ) -> SignedTransaction:
        """The transaction of one approved call. Raises NotApproved where the digest is not of these very calls, or this key does
        not move the account."""
        if safe.sender(seat) != self.address:
            raise NotApproved(f"the key is of {self.address}; {seat.account} is moved by {safe.sender(seat)}")
        digest = approval_digest(
            chain_id=chain_id,
            account=seat.account,
            calls=approved.calls,
            effects=approved.effects,
            intent=approved.intent,
            policy_digest=policy_digest,
            expiry=approved.expiry,
        )
        if digest != approved.digest:
            raise NotApproved("the digest is not of these calls and effects, this account, this chain and this policy")
        if not 0 <= index < len(approved.calls):
            raise NotApproved(f"the approval has no call {index}")
        call = safe.outer(seat, approved.calls[index])
        if safe.inner(seat, call) != approved.calls[index]:
            raise NotApproved("what would be signed is not exactly the approved call")
        return self._signed(call, nonce=nonce, fees=fees, gas_limit=gas_limit, chain_id=chain_id)

    def _signed(self, call: Call, *, nonce: int, fees: Fees, gas_limit: int, chain_id: int) -> SignedTransaction:
        from eth_utils.address import to_checksum_address

        words = (call.value_wei, fees.max_fee_wei, fees.max_priority_fee_wei, chain_id)
        counts = (nonce, gas_limit)
        is_one = all(0 <= word <= MAX_UINT256 for word in words) and all(0 <= count < 2**64 for count in counts)
        if TARGET.fullmatch(call.target) is None or not is_one:  # the library raises from frames that hold the key, or signs it
            raise NotApproved("what would be signed is no transaction: a target or a number in it is impossible")
        signed = self.__account.sign_transaction(
            {
                "type": 2,
                "chainId": chain_id,
                "nonce": nonce,
                "to": to_checksum_address(call.target),
                "value": call.value_wei,
                "data": call.data,
                "gas": gas_limit,
                "maxFeePerGas": fees.max_fee_wei,
                "maxPriorityFeePerGas": fees.max_priority_fee_wei,
                "accessList": [],
            }
        )
        return SignedTransaction(bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex())


def new_key_encrypted(password: str) -> Mapping[str, object]:
    """A new random key as keystore content (version 3, scrypt). The key itself never leaves this function."""
    accounts = _accounts()
    content: Mapping[str, object] = accounts.encrypt(accounts.create().key, password, kdf=KDF)
    return content


def signer_of(content: Mapping[str, object], password: str) -> Signer:
    """The signer of a keystore's content. Raises ValueError on a wrong password or damaged content."""
    accounts = _accounts()
    return Signer(accounts.from_key(accounts.decrypt(dict(content), password)))


def _accounts() -> "Account":
    with recursion_limit_kept():
        from eth_account import Account

    return Account()
