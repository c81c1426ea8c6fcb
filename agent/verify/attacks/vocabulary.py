"""The words a case may use. A word that is not here fails its case: nothing passes unread.

What stands below a free word (arguments of a call, a typed message, a token's behaviour) is read by whoever acts on it, and an
instruction that nobody can carry out fails there."""

from collections.abc import Iterator, Mapping
from typing import Any, Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CASE: Final = _words("id category difficulty benign title surface layer requires given input expect lost_if_wrong source note")
EXPECT: Final = _words("verdict rules approvals http_status_in post")
LAYERS: Final = ("guard", "intake", "control", "host")
GIVEN: Final = _words(
    "world wallet allowances positions oracle oracle_age_s oracle_round sequencer_up dex pool quote_age_s base_fee_gwei estimate"
    " gas_history gas_24h_usd spent_24h_usd pending actions_last_hour decisions rewards_accrued_usd exposure_pct issuer_pct"
    " lookthrough policy approvals simulation rpc clock event reverted next_step kill_switch disk token vault aave contract code"
    " registry history market apy sanctions_list sanctions_list_age_s"
)

FREE: Final = "free"  # anything may stand below
EACH: Final = "each"  # a list of things of one shape
_CALL: Final = {"sig": FREE, "args": FREE}
_FIELDS: Final = "to from value data type chainId nonce gas gasPrice maxFeePerGas maxPriorityFeePerGas accessList"
_DAMAGE: Final = "calldata_suffix calldata_truncate_bytes patch_word"
_BLOBS: Final = "maxFeePerBlobGas blobVersionedHashes"
_TX: Final[Mapping[str, Any]] = {
    **dict.fromkeys(_words(f"{_FIELDS} {_BLOBS} {_DAMAGE}"), FREE),
    "call": _CALL,
    "authorizationList": {EACH: dict.fromkeys(_words("chainId address nonce"), FREE)},
}
INPUTS: Final[Mapping[str, Any]] = {
    "tx": _TX,
    "plan": {
        "steps": {EACH: _TX},
        "intent": dict.fromkeys(_words("action asset amount amount_usd to_asset market"), FREE),
        **dict.fromkeys(_words("age_s base_block approved_hash"), FREE),
    },
    "sequence": {EACH: dict.fromkeys(_words("do plan plans repeat every_s after_s concurrent key"), FREE)},
    "typed_data": {
        "domain": dict.fromkeys(_words("name version chainId verifyingContract salt"), FREE),
        **dict.fromkeys(_words("types primaryType message"), FREE),
    },
    "message": dict.fromkeys(_words("display bytes"), FREE),
    "raw_hash": dict.fromkeys(_words("hash"), FREE),
    "authorization_7702": dict.fromkeys(_words("chainId address nonce"), FREE),
    "llm_output": FREE,
    "context": dict.fromkeys(_words("source text"), FREE),
    "memory": {EACH: dict.fromkeys(_words("role ts text"), FREE)},
    "checkpoint": dict.fromkeys(_words("edit then restore"), FREE),
    "market": FREE,
    "token_meta": FREE,
    "http": FREE,
    "config": FREE,
    "keystore": dict.fromkeys(_words("event traceback file_mode mode env"), FREE),
    "log": dict.fromkeys(_words("field value"), FREE),
    "audit": dict.fromkeys(_words("edit"), FREE),
    "package": dict.fromkeys(_words("requirement index file edit hash signed_by age_s"), FREE),
    "approval_request": {"display": FREE, "tx": _TX},
    "fee_bump": dict.fromkeys(_words("of factor"), FREE),
}
BESIDE: Final[Mapping[str, frozenset[str]]] = {  # further keys of an input, by its surface
    "context": frozenset({"llm_output", "tx", "plan"}),
    "memory": frozenset({"llm_output", "tx", "plan"}),
}


def strange(surface: str, given: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
    """Every word of a case that nobody reads."""
    yield from (f"given.{key}" for key in given if key not in GIVEN)
    if surface not in INPUTS or next(iter(content), None) != surface:
        yield f"surface {surface}"
        return
    for key, value in content.items():
        if key != surface and key not in BESIDE.get(surface, ()):
            yield f"input.{key}"
        else:
            yield from _strange(f"input.{key}", INPUTS[key], value)


def _strange(where: str, shape: Any, value: object) -> Iterator[str]:
    if shape == FREE:
        return
    if EACH in shape:
        yield from _strange_each(where, shape[EACH], value)
    elif not isinstance(value, Mapping):
        yield f"{where} is no record"
    else:
        for key, inner in value.items():
            yield from _strange(f"{where}.{key}", shape[key], inner) if key in shape else (f"{where}.{key}",)


def _strange_each(where: str, shape: Any, value: object) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where} is no list"
        return
    for at, inner in enumerate(value):
        yield from _strange(f"{where}[{at}]", shape, inner)
