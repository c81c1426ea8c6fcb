"""A price feed that a scene can move: a stand-in for Chainlink's aggregator, and not its code.

It answers `latestAnswer`, `latestRoundData`, `latestTimestamp`, `latestRound` and `decimals`, and reverts on anything else. The
answer is storage slot 0. Slot 1 is when it was last updated; zero means "this very block", a feed whose heart always beats.
Aave's own mock is not used because it answers `latestAnswer` alone: asked for a time, it reverts.
"""

from eth_utils.crypto import keccak

from agent.devnet.contracts import create
from agent.devnet.node import Node

ANSWER_SLOT = "0x0"
UPDATED_SLOT = "0x1"

_PUSH1, _PUSH2, _PUSH4, _DUP1, _EQ, _JUMPI, _JUMPDEST = 0x60, 0x61, 0x63, 0x80, 0x14, 0x57, 0x5B
_WORD = {
    "answer": bytes((_PUSH1, 0, 0x54)),  # SLOAD slot 0
    "updated": bytes((_PUSH1, 1, 0x54, _DUP1, 0x15, 0x42, 0x02, 0x01)),  # SLOAD slot 1, plus the block's time if it is zero
    "one": bytes((_PUSH1, 1)),
    "eight": bytes((_PUSH1, 8)),
}
_ANSWERS = (
    ("latestAnswer()", ("answer",)),
    ("latestRoundData()", ("one", "answer", "updated", "updated", "one")),
    ("latestTimestamp()", ("updated",)),
    ("latestRound()", ("one",)),
    ("decimals()", ("eight",)),
)


def runtime_code() -> bytes:
    """The feed's program: the selector chooses a block of code that lays words in memory and returns them."""
    select = bytes((_PUSH1, 0, 0x35, _PUSH1, 0xE0, 0x1C))  # CALLDATALOAD 0, shifted to the selector
    at = len(select) + 11 * len(_ANSWERS) + 4
    dispatch, bodies = b"", b""
    for signature, words in _ANSWERS:
        target = (at + len(bodies)).to_bytes(2, "big")
        dispatch += bytes((_DUP1, _PUSH4)) + keccak(text=signature)[:4] + bytes((_EQ, _PUSH2)) + target + bytes((_JUMPI,))
        stores = b"".join(_WORD[word] + bytes((_PUSH1, 32 * place, 0x52)) for place, word in enumerate(words))
        bodies += bytes((_JUMPDEST,)) + stores + bytes((_PUSH1, 32 * len(words), _PUSH1, 0, 0xF3))
    return select + dispatch + bytes((_PUSH1, 0, 0x80, 0xFD)) + bodies


def create_feed(node: Node, sender: str, usd_e8: int) -> str:
    """A new feed with its first answer."""
    runtime = runtime_code()
    store = bytes((0x67,)) + usd_e8.to_bytes(8, "big") + bytes((_PUSH1, 0, 0x55))
    size = len(runtime).to_bytes(2, "big")
    start = len(store) + 15
    copy = bytes((_PUSH2,)) + size + bytes((_PUSH2,)) + start.to_bytes(2, "big") + bytes((_PUSH1, 0, 0x39))
    give = bytes((_PUSH2,)) + size + bytes((_PUSH1, 0, 0xF3))
    return create(node, sender, "0x" + (store + copy + give + runtime).hex())


def answer(node: Node, feed: str, usd_e8: int) -> None:
    """Sets what a feed answers, from the next block's point of view; it mines nothing."""
    node.rpc("anvil_setStorageAt", feed, ANSWER_SLOT, "0x" + usd_e8.to_bytes(32, "big").hex())


def freeze(node: Node, feed: str, updated_seconds: int) -> None:
    """Sets when a feed says it was last updated; it mines nothing."""
    node.rpc("anvil_setStorageAt", feed, UPDATED_SLOT, "0x" + updated_seconds.to_bytes(32, "big").hex())
