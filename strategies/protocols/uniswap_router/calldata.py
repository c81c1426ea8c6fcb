"""SwapRouter02's calldata: a multicall with a deadline, and what is inside of it. Refuses to write what a word cannot carry.

It reads more than it writes, offsets and padding of any kind among it: whoever reads must write again and compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address
from strategies.protocols.adapter import ADDRESS, UINT256, Function, Uint

UINT24, UINT160 = Uint(24), Uint(160)

MULTICALL: Final = Function("5ae401dc", UINT256, UINT256)  # deadline, and where the calls inside stand
EXACT_INPUT_SINGLE: Final = Function("04e45aaf", ADDRESS, ADDRESS, UINT24, ADDRESS, UINT256, UINT256, UINT160)
EXACT_OUTPUT_SINGLE: Final = Function("5023b4df", ADDRESS, ADDRESS, UINT24, ADDRESS, UINT256, UINT256, UINT160)
EXACT_INPUT: Final = Function("b858183f", UINT256, UINT256, ADDRESS, UINT256, UINT256, UINT256)  # and then the path's bytes
UNWRAP: Final = Function("49404b7c", UINT256, ADDRESS)
SWEEP: Final = Function("df2ab5bb", ADDRESS, UINT256, ADDRESS)
REFUND: Final = Function("12210e8a")

ITSELF: Final[Address] = "0x" + "2".rjust(40, "0")  # the router's word for itself as a recipient (Constants.ADDRESS_THIS)
TOKEN_BYTES: Final = 20
HOP_BYTES: Final = 23  # a token and a fee


@dataclass(frozen=True, slots=True)
class SwapCall:
    """A swap as its own bytes say it: which function, the tokens it comes through, the pools' fees, for whom, and how much."""

    function: Function
    route: tuple[Address, ...]
    fees_pips: tuple[int, ...]
    recipient: Address
    amounts_raw: tuple[int, int]  # in their order: the exact one, then the least or the most of the other
    price_limit_x96: int = 0


def multicall(deadline: int, inside: Sequence[bytes]) -> bytes:
    """multicall(uint256,bytes[]), each word where the ABI's own encoder puts it. Raises ValueError."""
    offsets, tails, at = b"", b"", 32 * len(inside)
    for data in inside:
        tail = _padded(UINT256.pack(len(data)), data)
        offsets, tails, at = offsets + UINT256.pack(at), tails + tail, at + len(tail)
    return MULTICALL.encode(deadline, 64) + UINT256.pack(len(inside)) + offsets + tails


def opened(data: bytes) -> tuple[int, tuple[bytes, ...]]:
    """The deadline of a multicall and the calls inside, wherever its offsets put them, unless one place holds several: a few
    bytes would say as much as a memory holds. Raises ValueError."""
    if data[:4] != MULTICALL.selector:
        raise ValueError("it is no multicall with a deadline")
    content = data[4:]
    start = _number(content, 32)
    count = _number(content, start)
    if not 0 < count <= len(content) // 32:
        raise ValueError(f"{count} calls inside")
    array, inside, left = content[start + 32 :], list[bytes](), len(content)
    for at in range(count):
        inside.append(_bytes(array, _number(array, 32 * at)))
        left -= 32 + len(inside[-1])
        if left < 0:
            raise ValueError("one place holds several of the calls inside")
    return _number(content, 0), tuple(inside)


def written(swap: SwapCall) -> bytes:
    """The bytes of a swap; a price limit is never written. Raises ValueError."""
    route, fees_pips, amounts_raw = swap.route, swap.fees_pips, swap.amounts_raw
    if swap.function is not EXACT_INPUT:
        return swap.function.encode(*route, *fees_pips, swap.recipient, *amounts_raw, 0)
    hops = [ADDRESS.pack(token)[12:] + UINT24.pack(fee)[29:] for token, fee in zip(route[:-1], fees_pips, strict=True)]
    path = b"".join([*hops, ADDRESS.pack(route[-1])[12:]])
    return _padded(EXACT_INPUT.encode(32, 128, swap.recipient, *amounts_raw, len(path)), path)


def swap_of(data: bytes) -> SwapCall:
    """A call inside as the swap it is. Raises ValueError for every other, and for dirty words."""
    if data[:4] == EXACT_INPUT.selector:
        *_, recipient, given_raw, least_raw, size = EXACT_INPUT.decode(data[: EXACT_INPUT.size])
        route, fees_pips = _path_of(data[EXACT_INPUT.size :][: int(size)], int(size))
        return SwapCall(EXACT_INPUT, route, fees_pips, str(recipient), (int(given_raw), int(least_raw)))
    function = EXACT_OUTPUT_SINGLE if data[:4] == EXACT_OUTPUT_SINGLE.selector else EXACT_INPUT_SINGLE
    one, other, fee_pips, recipient, exact_raw, bound_raw, limit_x96 = function.decode(data)
    amounts_raw = int(exact_raw), int(bound_raw)
    return SwapCall(function, (str(one), str(other)), (int(fee_pips),), str(recipient), amounts_raw, int(limit_x96))


def _path_of(path: bytes, size: int) -> tuple[tuple[Address, ...], tuple[int, ...]]:
    hops, rest = divmod(size - TOKEN_BYTES, HOP_BYTES)
    if len(path) != size or hops < 1 or rest:
        raise ValueError(f"a path of {size} bytes")
    route = [f"0x{path[HOP_BYTES * at :][:TOKEN_BYTES].hex()}" for at in range(hops + 1)]
    return tuple(route), tuple([int.from_bytes(path[HOP_BYTES * at :][TOKEN_BYTES:HOP_BYTES], "big") for at in range(hops)])


def _padded(head: bytes, tail: bytes) -> bytes:
    return head + tail + bytes(-len(tail) % 32)


def _number(content: bytes, at: int) -> int:
    if at + 32 > len(content):
        raise ValueError("it ends before it should")
    return int.from_bytes(content[at : at + 32], "big")


def _bytes(content: bytes, at: int) -> bytes:
    size = _number(content, at)
    if at + 32 + size > len(content):
        raise ValueError("it ends before it should")
    return content[at + 32 : at + 32 + size]
