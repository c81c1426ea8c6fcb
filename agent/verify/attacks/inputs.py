"""From a case's words to bytes: symbols, amounts, function calls, damaged calldata, and transactions as a node's clients
write them.

Refuses every form that it does not know: a value that cannot be built is no input."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from agent.devnet.contracts import argument_types
from agent.verify.attacks.outcome import Unrealised

SYMBOL: Final = re.compile(r"\$[A-Z0-9_]+")
ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
NAME: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
HEX: Final = re.compile(r"0x[0-9a-fA-F]*")
CASED: Final = re.compile(r"(lower|upper|swapcase|checksum)\((\$[A-Z0-9_]+|0x[0-9a-fA-F]{40})\)")
WHOLE: Final = re.compile(r"balanceOf\((\$[A-Z0-9_]+)\)")
ROUTERS_OWN: Final[Mapping[str, int]] = {"address(1)": 1, "address(2)": 2}  # SwapRouter02's words for the sender and for itself
MAX: Final[Mapping[str, int]] = {f"{kind}{bits}": 2**bits - 1 for kind in ("uint", "max") for bits in range(8, 264, 8)}
DEFAULT_TYPE: Final = "0x2"
QUANTITIES: Final = (
    *("chainId", "value", "nonce", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "maxFeePerBlobGas", "type"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the words of a case stand for now."""

    at: Mapping[str, str]
    chain_id: int
    now: int
    nonce: int
    decimals: Callable[[str], int]  # of the token at an address
    balance: Callable[[str, str], int]  # of a token, of an account
    asset_of: Callable[[str], str]  # of a vault
    resolved: tuple[str, ...] = ()  # what a name stands for, by each who was asked

    def address(self, text: object) -> str:
        """An address in lower case. Raises Unrealised."""
        word = str(text).strip()
        if (own := next((number for name, number in ROUTERS_OWN.items() if word.startswith(name)), None)) is not None:
            return f"0x{own:040x}"
        if (cased := CASED.fullmatch(word)) is not None:
            word = cased[2]
        if word in self.at:
            return self.at[word].lower()
        if ADDRESS.fullmatch(word):
            return word.lower()
        if self.resolved and NAME.fullmatch(word):  # the keeper resolves no name: whoever asks it did, and believed the worst
            return next((found for found in self.resolved if found != self.resolved[0]), self.resolved[0]).lower()
        raise Unrealised(f"{word!r} is no address that is known here")

    def written_address(self, text: object) -> str:
        """An address as it is written: with its checksum, or in the case that is asked for."""
        address, cased = to_checksum_address(self.address(text)), CASED.fullmatch(str(text).strip())
        if cased is None:
            return str(text) if ADDRESS.fullmatch(str(text)) else address
        forms = {"lower": address.lower(), "upper": f"0x{address[2:].upper()}", "swapcase": f"0x{address[2:].swapcase()}"}
        return forms.get(cased[1], address)

    def number(self, value: object, target: str = "") -> int:
        """An integer in base units. Raises Unrealised."""
        match value:
            case bool():
                raise Unrealised(f"{value} is no number")
            case int():
                return value
            case {"units": [human, token]}:
                return self.units(human, token)
            case {"now": seconds}:
                return self.now + int(seconds)
            case {"now_ms": milliseconds}:
                return self.now * 1000 + int(milliseconds)
            case {"max": kind} if str(kind) in MAX:
                return MAX[str(kind)]
            case str() as text:
                return self._number_of(text, target)
        raise Unrealised(f"{value!r} is no number that is known here")

    def units(self, human: object, token: object) -> int:
        """A whole figure of a token in its base units, rounded down."""
        try:
            return int(Decimal(str(human)) * 10 ** self.decimals(self.address(token)))
        except (InvalidOperation, ValueError):
            raise Unrealised(f"{human!r} is no figure") from None

    def _number_of(self, text: str, target: str) -> int:
        if text in MAX:
            return MAX[text]
        if text == "current":
            return 0
        if (own := re.fullmatch(r"own(?:\s*([+-])\s*(\d+))?", text)) is not None:
            return self.nonce + int(f"{own[1] or '+'}{own[2] or 0}")
        if (whole := WHOLE.fullmatch(text)) is not None:
            return self.balance(target, self.at[whole[1]])
        try:
            return int(text, 16) if HEX.fullmatch(text) else int(text)
        except ValueError:
            raise Unrealised(f"{text!r} is no number that is known here") from None


def calldata(facts: Facts, call: Mapping[str, Any], target: str) -> bytes:
    """Selector and arguments of `{sig, args}`."""
    signature, given = str(call["sig"]).replace(" ", ""), call.get("args") or {}
    kinds, values = argument_types(signature), list(given.values() if isinstance(given, Mapping) else given)
    if len(kinds) != len(values):
        raise Unrealised(f"{signature} takes {len(kinds)} arguments; {len(values)} are given")
    built = [_value(facts, kind, value, target) for kind, value in zip(kinds, values, strict=True)]
    try:
        return keccak(text=signature)[:4] + encode(kinds, built)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unrealised(f"{signature} cannot be encoded: {error}") from None


def _value(facts: Facts, kind: str, value: object, target: str) -> object:
    if kind.endswith("[]"):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise Unrealised(f"{value!r} is no list of {kind[:-2]}")
        return [_value(facts, kind[:-2], inner, target) for inner in value]
    if kind.startswith("("):
        return _tuple(facts, kind, value, target)
    if kind.startswith("bytes"):
        return _bytes(facts, value, target)
    return SCALARS[kind](facts, value) if kind in SCALARS else facts.number(value, target)


SCALARS: Final[Mapping[str, Callable[[Facts, Any], object]]] = {
    "address": Facts.address,
    "bool": lambda _, value: value if isinstance(value, bool) else str(value).lower() in ("true", "1"),
    "string": lambda _, value: str(value),
}


def _tuple(facts: Facts, kind: str, value: object, target: str) -> tuple[object, ...]:
    values = list(value.values()) if isinstance(value, Mapping) else list(value) if isinstance(value, list) else [value]
    kinds = argument_types(kind)
    if len(kinds) != len(values):
        raise Unrealised(f"{kind} has {len(kinds)} parts; {len(values)} are given")
    return tuple(_value(facts, inner, one, target) for inner, one in zip(kinds, values, strict=True))


def _bytes(facts: Facts, value: object, target: str) -> bytes:
    match value:
        case str():
            return hex_bytes(value)
        case {"call": call}:
            return calldata(facts, call, target)
        case [{"operation": _}, *_]:
            return b"".join([_packed(facts, dict(inner)) for inner in value if isinstance(inner, Mapping)])  # Safe's MultiSend
        case [str(), *_]:
            return b"".join([_step_of_path(facts, str(part)) for part in value])  # Uniswap's path
    raise Unrealised(f"{value!r} is no bytes that are known here")


def hex_bytes(text: str) -> bytes:
    """Bytes of a hex text; an ellipsis ends it."""
    digits = re.match(r"0x([0-9a-fA-F]*)", text)
    if digits is None:
        raise Unrealised(f"{text!r} is no hex text")
    return bytes.fromhex(digits[1] + "0" * (len(digits[1]) % 2))


def _packed(facts: Facts, inner: Mapping[str, Any]) -> bytes:
    to = facts.address(inner["to"])
    data = calldata(facts, inner["call"], to) if "call" in inner else hex_bytes(str(inner.get("data", "0x")))
    words = facts.number(inner.get("value", 0)).to_bytes(32, "big") + len(data).to_bytes(32, "big")
    return facts.number(inner["operation"]).to_bytes(1, "big") + bytes.fromhex(to[2:]) + words + data


def _step_of_path(facts: Facts, part: str) -> bytes:
    return int(part).to_bytes(3, "big") if part.isdecimal() else bytes.fromhex(facts.address(part)[2:])


@dataclass(frozen=True, slots=True)
class Built:
    """A transaction's target and bytes, and every field as a client would write it; `takes` is what it pulls by allowance."""

    to: str | None
    data: bytes
    value_wei: int
    fields: Mapping[str, object]
    takes: tuple[tuple[str, str, int], ...]  # token, spender, base units


def transaction(facts: Facts, tx: Mapping[str, Any]) -> Built:
    """One `tx` of a case, or one step of a plan."""
    to = None if tx.get("to") is None else facts.address(tx["to"])
    data = _damaged(facts, tx, _data(facts, tx, to or ""))
    fields: dict[str, object] = {"type": DEFAULT_TYPE, "chainId": hex(facts.chain_id), "input": "0x" + data.hex()}
    fields["to"] = None if tx.get("to") is None else facts.written_address(tx["to"])
    for name in QUANTITIES:
        if name in tx:
            fields[name] = None if tx[name] is None else hex(_quantity(facts, name, tx[name]))
    fields.update(_others(facts, tx))
    takes = tuple(_takes(facts, to, tx["call"], to)) if to is not None and "call" in tx else ()
    shown = {name: value for name, value in fields.items() if value is not None}
    return Built(to, data, facts.number(tx.get("value", 0)), shown, takes)


def _quantity(facts: Facts, name: str, value: object) -> int:
    return facts.chain_id if name == "chainId" and value == "$CHAIN" else facts.number(value)


def _others(facts: Facts, tx: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Lists and the sender, which are no numbers."""
    if "from" in tx:
        yield "from", facts.written_address(tx["from"])
    if "accessList" in tx:
        yield "accessList", [_resolved(facts, entry) for entry in tx["accessList"] or ()]
    if "authorizationList" in tx:
        yield "authorizationList", [_authorization(facts, entry) for entry in tx["authorizationList"]]
    if "blobVersionedHashes" in tx:
        yield "blobVersionedHashes", [str(entry) for entry in tx["blobVersionedHashes"] or ()]


def _resolved(facts: Facts, entry: Mapping[str, Any]) -> Mapping[str, object]:
    return {**entry, "address": facts.written_address(entry["address"])} if "address" in entry else entry


def _authorization(facts: Facts, entry: Mapping[str, Any]) -> Mapping[str, object]:
    number = {name: hex(_quantity(facts, name, entry[name])) for name in ("chainId", "nonce") if name in entry}
    return {**number, "address": facts.written_address(entry["address"]), "yParity": "0x0", "r": "0x1", "s": "0x1"}


def _data(facts: Facts, tx: Mapping[str, Any], to: str) -> bytes:
    if "call" in tx:
        return calldata(facts, tx["call"], to)
    match tx.get("data", "0x"):
        case str() as text:
            return hex_bytes(text)
        case {"call": call}:
            return calldata(facts, call, to)
        case {"hand_built": text}:
            return hand_built(facts, str(text))
    raise Unrealised(f"{tx.get('data')!r} is no calldata that is known here")


def hand_built(facts: Facts, text: str) -> bytes:
    """Calldata that is described in words: signatures and their selectors, hex, and how many bytes of what follow."""
    said = text.strip()
    if (found := re.search(r"0x[0-9a-fA-F]{8,}", said)) is not None:
        return hex_bytes(found[0])
    signature = re.search(r"([a-zA-Z_]\w*)\(([\w\[\](),]*)\)", said)
    if signature is None:
        raise Unrealised(f"calldata built by hand: {said!r}")
    kinds = argument_types(signature[0])
    selector = keccak(text=signature[0])[:4]
    if re.search(r"selector only|only the selector|no arguments|nothing else", said):
        return selector
    words = [bytes(12) + bytes.fromhex(facts.address(symbol)[2:]) for symbol in SYMBOL.findall(said) if symbol in facts.at]
    return selector + b"".join(words).ljust(32 * len(kinds), b"\0")


def _damaged(facts: Facts, tx: Mapping[str, Any], data: bytes) -> bytes:
    """The bytes after what the case says shall happen to them."""
    if (patch := tx.get("patch_word")) is not None:
        data = _patched(facts, tx, data, patch)
    if "calldata_suffix" in tx:
        data += hex_bytes(str(tx["calldata_suffix"]))
    if (cut := int(tx.get("calldata_truncate_bytes", 0))) > 0:
        data = data[:-cut]
    return data


def _patched(facts: Facts, tx: Mapping[str, Any], data: bytes, patch: Mapping[str, Any]) -> bytes:
    where = {key: patch[key] for key in ("arg", "index", "word_index") if key in patch}
    change = {key: value for key, value in patch.items() if key not in where}
    if len(where) != 1 or len(change) != 1:
        raise Unrealised(f"patch_word {patch}")
    at = _place_of(tx, str(patch["arg"])) if "arg" in where else int(next(iter(where.values())))
    start = 4 + 32 * at
    old, (how, value) = data[start : start + 32], next(iter(change.items()))
    if len(old) != 32:
        raise Unrealised(f"there is no word {at} to patch")
    return data[:start] + _new_word(facts, old, how, value) + data[start + 32 :]


def _new_word(facts: Facts, old: bytes, how: str, value: object) -> bytes:
    if (upper := re.fullmatch(r"upper_(\d+)_bytes", how)) is not None:
        put = hex_bytes(str(value)).rjust(int(upper[1]), b"\0")
        return put + old[len(put) :]
    if (lower := re.fullmatch(r"lower_(\d+)_bytes", how)) is not None:
        put = hex_bytes(str(value)).rjust(int(lower[1]), b"\0")
        return old[: 32 - len(put)] + put
    if how in ("value", "word", "set", "to", "with"):
        text = str(value)
        whole = hex_bytes(text) if HEX.fullmatch(text) else facts.number(value).to_bytes(32, "big")
        return whole.rjust(32, b"\0")[-32:]
    raise Unrealised(f"patch_word {how}")


def _place_of(tx: Mapping[str, Any], name: str) -> int:
    """The word of an argument, by its name or its number, where it and all before it are static."""
    arguments = tx["call"].get("args") or {}
    if name.isdecimal():
        return int(name)
    if isinstance(arguments, Mapping) and name in arguments:
        return list(arguments).index(name)
    flat = next((list(value) for value in arguments.values() if isinstance(value, Mapping) and name in value), None)
    if flat is None:
        raise Unrealised(f"patch_word: there is no argument {name}")
    return flat.index(name)


def _takes(facts: Facts, to: str, call: Mapping[str, Any], spender: str) -> Iterator[tuple[str, str, int]]:
    """What a call would pull out of the wallet by allowance, so that it would succeed: token, spender, base units."""
    name, args = str(call["sig"]).partition("(")[0], call.get("args") or {}
    if not isinstance(args, Mapping):
        return
    params: Mapping[str, Any] = args["params"] if isinstance(args.get("params"), Mapping) else args
    match name:
        case "supply" | "repay" | "supplyTo" | "supplyFrom" if "asset" in args:
            yield facts.address(args["asset"]), spender, facts.number(args["amount"], to)
        case "deposit" if "assets" in args:
            yield facts.asset_of(to), spender, facts.number(args["assets"], to)
        case "exactInputSingle":
            yield facts.address(params["tokenIn"]), spender, facts.number(params["amountIn"], to)
        case "exactInput":
            yield facts.address(params["path"][0]), spender, facts.number(params["amountIn"], to)
        case "exactOutputSingle":
            yield facts.address(params["tokenIn"]), spender, facts.number(params["amountInMaximum"], to)
        case "exactOutput":
            yield facts.address(params["path"][-1]), spender, facts.number(params["amountInMaximum"], to)
        case "approve" if "token" in args and facts.number(args["amount"]):  # Permit2's
            yield facts.address(args["token"]), spender, facts.number(args["amount"])
        case "transferFrom" if facts.address(args.get("from", "0x" + "0" * 40)) == facts.at["$WALLET"]:
            yield facts.address(args.get("token", to)), spender, facts.number(args["amount"], to)
        case _:
            for inner_to, inner in _inside(args):
                target = facts.address(inner_to) if inner_to is not None else to
                yield from _takes(facts, target, inner, spender)


def _inside(args: object) -> Iterator[tuple[object, Mapping[str, Any]]]:
    """The calls inside a call, with their own targets where they have one."""
    if isinstance(args, Mapping):
        if "call" in args and isinstance(args["call"], Mapping):
            yield args.get("to", args.get("target")), args["call"]
            return
        for value in args.values():
            target = args.get("to", args.get("target"))
            for found, inner in _inside(value):
                yield (found if found is not None else target), inner
    elif isinstance(args, list):
        for value in args:
            yield from _inside(value)
