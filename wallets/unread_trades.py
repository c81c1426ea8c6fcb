"""Why a call to the trading router could not be read back: which call inside of it, and which part of that. Refuses nothing: it
names everything that was refused, what somebody else would get first.

It runs only on calls that are already refused, and opens more than a wallet accepts, so that what a multicall hides is named."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from strategies.domain import Address, Deployment, Market
from strategies.protocols.adapter import UINT256, Call
from strategies.protocols.uniswap_router import PROTOCOL, pools_of
from strategies.protocols.uniswap_router.calldata import (
    EXACT_INPUT,
    EXACT_INPUT_SINGLE,
    EXACT_OUTPUT_SINGLE,
    ITSELF,
    MULTICALL,
    REFUND,
    SWEEP,
    UNWRAP,
    SwapCall,
    opened,
    swap_of,
)

Flaw: TypeAlias = tuple[str, str]  # a rule and what breaks it

WITHOUT_DEADLINE: Final = bytes.fromhex("ac9650d8")  # multicall(bytes[])
AFTER_BLOCK: Final = bytes.fromhex("1f0464d1")  # multicall(bytes32,bytes[])
MULTICALLS: Final = (MULTICALL.selector, WITHOUT_DEADLINE, AFTER_BLOCK)
SWAPS: Final = (EXACT_INPUT_SINGLE.selector, EXACT_INPUT.selector, EXACT_OUTPUT_SINGLE.selector)
ORDER: Final = ("beneficiary", "asset", "value", "selector", "deadline", "calldata")
DEEPEST: Final = 4  # multicalls in multicalls that are opened


def is_router(target: Address, deployment: Deployment) -> bool:
    """Whether trades go there."""
    return any(market.protocol == PROTOCOL and market.address == target for market in deployment.markets)


def flaws(call: Call, account: Address, deployment: Deployment) -> tuple[Flaw, ...]:
    """Everything that is wrong with a call to the router that no adapter reads; never nothing."""
    found = [*_outside(call), *_inside(call.data, account, deployment, depth=0), *_carried(call, deployment)]
    if not found:
        found = [("calldata", "it is not written in the one canonical way: its offsets, its padding or what follows")]
    return tuple(sorted(dict.fromkeys(found), key=lambda flaw: ORDER.index(flaw[0])))


def _outside(call: Call) -> Iterator[Flaw]:
    selector = call.data[:4]
    if selector != MULTICALL.selector:
        yield "selector", "the function is not one this wallet uses there; it trades by a multicall with a deadline"
        if selector in (*SWAPS, WITHOUT_DEADLINE, AFTER_BLOCK):
            yield "deadline", "it names no deadline, so it could be mined at any time"


def _inside(data: bytes, account: Address, deployment: Deployment, *, depth: int) -> Iterator[Flaw]:
    """What is wrong with the calls inside, and inside of those. A bare call is one inside of nothing."""
    try:
        calls = _opened(data)
    except ValueError as error:
        yield "calldata", f"what is inside cannot be found: {error}"
        return
    for at, inner in enumerate(calls):
        named = f"call {at} inside (0x{inner[:4].hex()})"
        if inner[:4] in MULTICALLS:
            yield "selector", f"{named} is a multicall itself"
            if depth < DEEPEST:
                yield from _inside(inner, account, deployment, depth=depth + 1)
        elif inner[:4] in SWAPS:
            yield from _swap(named, inner, calls[at + 1 :], account, deployment)
        elif inner[:4] in (UNWRAP.selector, SWEEP.selector):
            yield from _payment(named, inner, account, deployment)
        elif data[:4] in MULTICALLS and inner[:4] != REFUND.selector:
            yield "selector", f"{named} is no swap and no payment to the wallet"
    if data[:4] in MULTICALLS and len([inner for inner in calls if inner[:4] in SWAPS]) != 1:
        yield "calldata", "it must hold exactly one swap"


def _opened(data: bytes) -> tuple[bytes, ...]:
    """The calls inside of any kind of multicall. Raises ValueError."""
    if data[:4] == WITHOUT_DEADLINE:
        start = UINT256.pack(int.from_bytes(data[4:36], "big") + 32)  # where the array stands once a word is put before it
        data = MULTICALL.selector + bytes(32) + start + data[36:]
    elif data[:4] == AFTER_BLOCK:
        data = MULTICALL.selector + data[4:]
    elif data[:4] != MULTICALL.selector:
        return (data,)
    return opened(data)[1]


def _swap(named: str, data: bytes, after: Sequence[bytes], account: Address, deployment: Deployment) -> Iterator[Flaw]:
    try:
        swap = swap_of(data)
    except ValueError as error:
        yield "calldata", f"{named}: {error}"
        return
    yield from _recipient(named, swap, after, account, deployment)
    listed = {asset.address for asset in deployment.assets}
    for token in [token for token in swap.route if token not in listed]:
        yield "asset", f"{named} trades {token}, which is no listed asset"
    for pair, fee_pips in zip(pairwise(swap.route), swap.fees_pips, strict=True):
        if listed.issuperset(pair) and not _has_pool(pair, fee_pips, deployment):
            yield "asset", f"{named} trades {pair[0]} for {pair[1]} at a fee of {fee_pips}: no listed market is that pool"
    if len({*swap.route}) < len(swap.route):
        yield "asset", f"{named} comes through one token twice"
    if not all(swap.amounts_raw[:1]):
        yield "calldata", f"{named} trades 0, which to the router means all that it holds itself"
    if swap.price_limit_x96:
        yield "calldata", f"{named} sets a price limit, so that it may trade a part; this wallet sets none"
    if swap.function is EXACT_INPUT and len(swap.fees_pips) == 1:
        yield "calldata", f"{named} is a path of one pool; this wallet writes it as exactInputSingle"


def _recipient(named: str, swap: SwapCall, after: Sequence[bytes], account: Address, deployment: Deployment) -> Iterator[Flaw]:
    paying = [inner for inner in after if _pays(inner, swap.route[-1], deployment)]
    ours = f"it must pay the wallet, {account}"
    if swap.recipient not in (account, ITSELF):
        yield "beneficiary", f"{named} pays {swap.recipient}; {ours}"
    elif swap.recipient == ITSELF and not paying:
        yield "beneficiary", f"{named} leaves what it buys with the router, where anybody may take it; {ours}"
    elif swap.recipient == account and paying:
        yield "calldata", f"{named} pays the wallet, and what follows would pay again"


def _pays(data: bytes, token: Address, deployment: Deployment) -> bool:
    """Whether a call pays out what the router has of a token, to whom and how much ever."""
    try:
        return (data[:4] == UNWRAP.selector and token in _wrapped(deployment)) or SWEEP.decode(data)[0] == token
    except ValueError:
        return False


def _payment(named: str, data: bytes, account: Address, deployment: Deployment) -> Iterator[Flaw]:
    function = UNWRAP if data[:4] == UNWRAP.selector else SWEEP
    try:
        *before, recipient = function.decode(data)
    except ValueError as error:
        yield "calldata", f"{named}: {error}"
        return
    if recipient != account:
        yield "beneficiary", f"{named} pays {recipient}; it must pay the wallet, {account}"
    if function is SWEEP and before[0] not in {asset.address for asset in deployment.assets}:
        yield "asset", f"{named} pays {before[0]}, which is no listed asset"


def _carried(call: Call, deployment: Deployment) -> Iterator[Flaw]:
    """A value that is not what the first call inside takes of it."""
    try:
        swap = swap_of(_opened(call.data)[0])
    except ValueError:
        due_wei = 0
    else:
        exact_raw, bound_raw = swap.amounts_raw
        given_raw = bound_raw if swap.function is EXACT_OUTPUT_SINGLE else exact_raw
        due_wei = given_raw if swap.route[0] in _wrapped(deployment) else 0
    if call.value_wei not in (0, due_wei):
        yield "value", f"it carries {call.value_wei} wei and must carry {due_wei or 'none'}"


def _has_pool(pair: tuple[Address, Address], fee_pips: int, deployment: Deployment) -> bool:
    try:
        return bool(pools_of(SwapCall(EXACT_INPUT, pair, (fee_pips,), ITSELF, (0, 0)), _routed(deployment)))
    except KeyError:
        return False


def _routed(deployment: Deployment) -> list[Market]:
    return [market for market in deployment.markets if market.protocol == PROTOCOL]


def _wrapped(deployment: Deployment) -> set[Address]:
    """The tokens that the router unwraps."""
    return {address for market in _routed(deployment) for role, address in market.contracts if role == "wrapped_native"}
