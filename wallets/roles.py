"""A role as the Zodiac Roles modifier (V2) is told of it: the transactions that a Safe's owners execute, and what they are shown.
Refuses what the modifier cannot hold: more conditions than it can number, a limit beyond its words.

Conditions are trees of (parent, type, operator, value), written level by level (Types.sol); what no tree names is denied."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import encode

from strategies.domain import Address, Asset, Deployment
from strategies.errors import SettingsError
from strategies.protocols.adapter import ADDRESS, Call, Function
from wallets.permissions import (
    Anything,
    AtMost,
    Exactly,
    Inside,
    Permission,
    Role,
    Spent,
    TheSafe,
    Variant,
    Word,
    derive,
    safe_of,
)
from wallets.policy import Policy
from wallets.safe import role_key

# ParameterType and Operator of Types.sol
NONE, STATIC, DYNAMIC, ARRAY, CALLDATA = 0, 1, 2, 4, 5
PASS, AND, OR, MATCHES = 0, 1, 2, 5
EQUAL_TO_AVATAR, EQUAL_TO, LESS_THAN, BITMASK, WITHIN_ALLOWANCE, ETHER_WITHIN_ALLOWANCE = 15, 16, 18, 21, 28, 29
NO_VALUE, MAY_SEND = 0, 1  # ExecutionOptions: neither lets a role delegate a call
BITMASK_BYTES: Final = 15  # two bytes say where; then a mask, and what it must show
MOST_CONDITIONS: Final = 256  # a parent is one byte
MOST_ALLOWANCE: Final = 2**128 - 1
DAY_SECONDS: Final = 86_400

ENABLE_MODULE: Final = Function("610b5925", ADDRESS)  # of the Safe; the others are the modifier's
SET_AVATAR: Final = Function("086cfca8", ADDRESS)
SET_TARGET: Final = Function("776d1a01", ADDRESS)
SET_ALLOWANCE: Final = bytes.fromhex("a8ec43ee")
SCOPE_TARGET: Final = bytes.fromhex("0c6c76b8")
SCOPE_FUNCTION: Final = bytes.fromhex("7508dd98")
SET_DEFAULT_ROLE: Final = bytes.fromhex("946d364e")
ASSIGN_ROLES: Final = bytes.fromhex("957ed2b3")
CONDITION: Final = "(uint8,uint8,uint8,bytes)"


@dataclass(frozen=True, slots=True)
class Node:
    """One condition with those below it."""

    kind: int
    operator: int
    value: bytes = b""
    below: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Setup:
    """All that owners are asked to execute, in order, and the digest by which two of them know that they see the same."""

    role: Role
    calls: tuple[Call, ...]
    digest: str


def setup(policy: Policy, deployment: Deployment) -> Setup:
    """What sets a policy's role up on its Safe. Raises SettingsError."""
    role = derive(policy, deployment)
    calls = _calls(policy, role)
    content = [policy.chain_id, policy.account, [[call.target, call.data.hex(), str(call.value_wei)] for call in calls]]
    digest = hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
    return Setup(role, calls, digest)


def allowance_key(role: str, asset: Asset) -> bytes:
    """The key of what a role may spend of an asset. Of each role its own, because the modifier shares allowances among roles."""
    return _key(role, asset.address)


def _key(role: str, what: str) -> bytes:
    return hashlib.sha256(f"usufruct allowance v1\n{role}\n{what}\n".encode()).digest()


def _calls(policy: Policy, role: Role) -> tuple[Call, ...]:
    """The limits and permissions first; the member last, so that nobody holds a role that is half made."""
    safe, key = safe_of(policy), role_key(role.name)
    roles, calls = safe.roles, []
    for limit in role.day_limits:
        if limit.raw > MOST_ALLOWANCE:
            raise SettingsError(f"a day's limit of {limit.raw} base units of {limit.asset.symbol} is more than a role can hold")
        day = allowance_key(role.name, limit.asset), limit.raw, limit.raw, limit.raw, DAY_SECONDS, 0
        calls.append(_call(roles, SET_ALLOWANCE, ["bytes32", "uint128", "uint128", "uint128", "uint64", "uint64"], *day))
    for target in dict.fromkeys([permission.target for permission in role.permissions]):
        calls.append(_call(roles, SCOPE_TARGET, ["bytes32", "address"], key, target))
    for permission in role.permissions:
        conditions = _flat(_tree(role.name, permission), permission)
        scoped = key, permission.target, permission.selector, conditions, _options(permission)
        calls.append(_call(roles, SCOPE_FUNCTION, ["bytes32", "address", "bytes4", f"{CONDITION}[]", "uint8"], *scoped))
    held = [(key, True), *[(role_key(name), False) for name in safe.retired_roles]]
    assigned = safe.member, [one for one, _ in held], [is_held for _, is_held in held]
    return (
        Call(roles, SET_AVATAR.encode(policy.account)),
        Call(roles, SET_TARGET.encode(safe.guard)),
        *calls,
        _call(roles, SET_DEFAULT_ROLE, ["address", "bytes32"], safe.member, key),
        _call(roles, ASSIGN_ROLES, ["address", "bytes32[]", "bool[]"], *assigned),
        Call(policy.account, ENABLE_MODULE.encode(safe.guard)),
    )


def _call(target: Address, selector: bytes, types: Sequence[str], *values: object) -> Call:
    return Call(target, selector + encode(types, values))


def _tree(role: str, permission: Permission) -> Node:
    """Any of the forms; of one form, the form itself."""
    longest = max(
        [len(bound.words) for one in permission.variants for bound in one.words if isinstance(bound, Inside)], default=0
    )
    forms = tuple([_form(role, variant, longest, _value(role, permission, variant)) for variant in permission.variants])
    return forms[0] if len(forms) == 1 else Node(NONE, OR, below=forms)


def _form(role: str, variant: Variant, longest: int, value: tuple[Node, ...]) -> Node:
    words = [_inside(role, bound, longest) if isinstance(bound, Inside) else _word(role, bound) for bound in variant.words]
    return Node(CALLDATA, MATCHES, below=(*words, *value))


def _options(permission: Permission) -> int:
    return MAY_SEND if _may_send(permission) else NO_VALUE


def _may_send(permission: Permission) -> bool:
    """Whether any form carries value: a role allows it to all of a function's forms or to none."""
    return any(variant.carries is not None for variant in permission.variants)


def _value(role: str, permission: Permission, variant: Variant) -> tuple[Node, ...]:
    """What a form may carry; one that carries nothing beside one that does, has an allowance that nobody ever sets."""
    if not _may_send(permission):
        return ()
    key = _key(role, "nothing") if variant.carries is None else allowance_key(role, variant.carries)
    return (Node(NONE, ETHER_WITHIN_ALLOWANCE, key),)


def _inside(role: str, inside: Inside, longest: int) -> Node:
    """A list of one call: its words do not say which function it is, so its bytes are asked. Forms must be of one shape, so a
    shorter call is filled up with words that are not looked at."""
    words = [_word(role, word) for word in (*inside.words, *[Anything()] * (longest - len(inside.words)))]
    mask = bytes(2) + b"\xff" * 4 + bytes(BITMASK_BYTES - 4)
    function = Node(DYNAMIC, BITMASK, mask + inside.selector + bytes(BITMASK_BYTES - 4))
    return Node(ARRAY, MATCHES, below=(Node(NONE, AND, below=(Node(CALLDATA, MATCHES, below=tuple(words)), function)),))


def _word(role: str, word: Word) -> Node:
    match word:
        case Exactly(word=exact):
            return Node(STATIC, EQUAL_TO, exact)
        case TheSafe():
            return Node(STATIC, EQUAL_TO_AVATAR)
        case AtMost(raw=raw):
            return _less_than(raw + 1)
        case Spent(asset, most_raw):
            counted = Node(STATIC, WITHIN_ALLOWANCE, allowance_key(role, asset))
            return Node(NONE, AND, below=(_less_than(most_raw + 1), counted))
        case Anything():
            return Node(STATIC, PASS)


def _less_than(raw: int) -> Node:
    return Node(STATIC, LESS_THAN, raw.to_bytes(32, "big"))


def _flat(root: Node, permission: Permission) -> list[tuple[int, int, int, bytes]]:
    """Level by level, each with its parent's place. Raises SettingsError."""
    placed = [(0, root)]
    for at, (_, node) in enumerate(placed):  # grows while it is walked
        placed += [(at, below) for below in node.below]
    if len(placed) > MOST_CONDITIONS:
        what = f"0x{permission.selector.hex()} of {permission.target}"
        raise SettingsError(f"{what} would need {len(placed)} conditions and a role holds {MOST_CONDITIONS}: list fewer markets")
    return [(parent, node.kind, node.operator, node.value) for parent, node in placed]
