"""The account where it is a Safe: its calls go through a Roles modifier and our module guard, signed and paid for by the member's
key. Refuses any outer bytes but those of exactly one inner call, and a Safe that stands otherwise than the policy says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address
from strategies.protocols.adapter import ADDRESS, UINT256, Call, Function
from wallets.policy import Policy, SafeAccount

EXECUTE: Final = bytes.fromhex("c6fe8747")  # Roles.execTransactionWithRole(to, value, data, operation, roleKey, shouldRevert)
DATA_AT: Final = 6 * 32  # behind its six words
CALL: Final = 0  # Enum.Operation: never a delegate call
REVERTS: Final = 1  # what fails inside fails as a whole

MASTER_COPY: Final = Function("a619486e")  # of the proxy itself (SafeProxy.sol)
GET_MODULES: Final = Function("cc2f8452", ADDRESS, UINT256)
FIRST_MODULE: Final[Address] = "0x" + "00" * 19 + "01"  # SENTINEL_MODULES of ModuleManager.sol
AVATAR, TARGET, OWNER = Function("5aef7de6"), Function("d4b83992"), Function("8da5cb5b")
GUARDS_SAFE, GUARDS_ROLES = Function("186f0354"), Function("392f5f64")


def role_key(name: str) -> bytes:
    """A role's key: its name, filled up with zeros."""
    return name.encode().ljust(32, b"\0")


@dataclass(frozen=True, slots=True)
class Seat:
    """Whose assets move, and through what where that is a Safe."""

    account: Address
    safe: SafeAccount | None


def seat_of(policy: Policy) -> Seat:
    """The seat that a policy describes."""
    return Seat(policy.account, policy.safe)


def sender(seat: Seat) -> Address:
    """Whose key signs, and who pays for gas."""
    return seat.account if seat.safe is None else seat.safe.member


def outer(seat: Seat, call: Call) -> Call:
    """The transaction that makes the account do a call: the call itself, or the call through the role."""
    return call if seat.safe is None else _through_role(seat.safe, call)


def inner(seat: Seat, transaction: Call) -> Call | None:
    """What a transaction makes the account do; None for any bytes but the ones that `outer` writes."""
    if seat.safe is None:
        return transaction
    data = transaction.data
    size = int.from_bytes(data[4 + DATA_AT : 36 + DATA_AT], "big")
    start = 36 + DATA_AT
    found = Call("0x" + data[16:36].hex(), data[start : start + size], int.from_bytes(data[36:68], "big"))
    return found if len(data) >= start and _through_role(seat.safe, found) == transaction else None


def _through_role(safe: SafeAccount, call: Call) -> Call:
    words = (
        ADDRESS.pack(call.target),
        *[UINT256.pack(number) for number in (call.value_wei, DATA_AT, CALL)],
        role_key(safe.role),
        UINT256.pack(REVERTS),
        UINT256.pack(len(call.data)),
    )
    return Call(safe.roles, EXECUTE + b"".join(words) + call.data + bytes(-len(call.data) % 32))


def contracts(seat: Seat) -> tuple[Address, ...]:
    """What a Safe depends on besides itself, and whose code must be as pinned."""
    return () if seat.safe is None else (seat.safe.singleton, seat.safe.roles, seat.safe.guard)


def reads(seat: Seat) -> tuple[Call, ...]:
    """What to ask the chain about how a Safe stands; nothing of any other account."""
    return tuple([call for _, call, _ in _facts(seat)])


def otherwise(seat: Seat, results: Sequence[bytes | None]) -> tuple[tuple[Address, str], ...]:
    """What stands otherwise than the policy says, so that somebody else could move the account: an address, and why."""
    return tuple(
        [
            (call.target, f"does not answer as the policy says about {what}: its owners must mend that")
            for (what, call, due), result in zip(_facts(seat), results, strict=True)
            if result != due
        ]
    )


def _facts(seat: Seat) -> tuple[tuple[str, Call, bytes], ...]:
    """Each with its question and the one answer that it may have."""
    if seat.safe is None:
        return ()
    safe, account = seat.safe, ADDRESS.pack(seat.account)
    modules = b"".join([UINT256.pack(64), ADDRESS.pack(FIRST_MODULE), UINT256.pack(1), ADDRESS.pack(safe.guard)])
    return (
        ("the code that the Safe runs", Call(seat.account, MASTER_COPY.encode()), ADDRESS.pack(safe.singleton)),
        ("the guard as the Safe's only module", Call(seat.account, GET_MODULES.encode(FIRST_MODULE, 2)), modules),
        ("the guard's Safe", Call(safe.guard, GUARDS_SAFE.encode()), account),
        ("the guard's modifier", Call(safe.guard, GUARDS_ROLES.encode()), ADDRESS.pack(safe.roles)),
        ("the modifier's avatar", Call(safe.roles, AVATAR.encode()), account),
        ("the modifier's target", Call(safe.roles, TARGET.encode()), ADDRESS.pack(safe.guard)),
        ("the modifier's owner", Call(safe.roles, OWNER.encode()), account),
    )
