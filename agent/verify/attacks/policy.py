"""The catalogue's policy where it names symbols, and a case's changes to it; figures are translated by the one table in
reference.py. Refuses a key that the reference does not have, and functions of a target that ours allow only together."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final, TypeAlias

from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.reference import OFF

Content: TypeAlias = dict[str, Any]

SELF: Final = "$WALLET"
PLACES: Final[Mapping[str, tuple[str, ...]]] = {  # a target, and the functions whose meaning our markets are
    "$AAVE_POOL": ("supply", "withdraw", "borrow", "repay", "setUserUseReserveAsCollateral"),
    "$COMET_USDC": ("supply", "withdraw"),
    "$MM_VAULT_USDC": ("deposit", "withdraw", "redeem"),
    "$MM_VAULT_WETH": ("deposit", "withdraw", "redeem"),
    "$UNI_ROUTER": ("multicall",),
    "$REWARDS": ("claimAllRewards",),
    "$WETH": ("deposit", "withdraw"),
}
ON_TOKENS: Final = ("approve", "transfer")


# What `off` means where our settings know no such word: a figure that never binds.
LOOSE: Final[Mapping[str, int]] = {
    **dict.fromkeys(("oracle_max_age_s", "swap_deadline_max_s", "quote_max_age_s", "plan_ttl_s", "approval.ttl_s"), 10**8),
    **dict.fromkeys(("spend.window_24h_usd", "gas.fee_usd_max_24h", "gas.fee_usd_max_tx_worst_case"), 10**8),
    **dict.fromkeys(("gas.max_fee_gwei", "gas.max_priority_gwei"), 10**5),
    "compliance.sanctions_list_max_age_s": 10**8,
    "gas.gas_limit_max": 16_000_000,
    "slippage_max_bps": 10_000,
}


def overridden(reference: Mapping[str, Any], changes: Mapping[str, Any]) -> Content:
    """The reference with a case's changes: a path by dots, `off`, and `name+` to append. Raises Unrealised."""
    found: Content = deepcopy(dict(reference))
    for path, value in changes.items():
        *above, last = _parts(path.removesuffix("+"), found)
        at = found
        for name in above:
            if not isinstance(at.get(name), dict):
                raise Unrealised(f"policy.{path}: the reference policy has no {name}")
            at = at[name]
        if path.endswith("+"):
            _append(at, last, value, path)
        elif last not in at:
            raise Unrealised(f"policy.{path} is not in the reference policy")
        elif isinstance(at[last], dict) and isinstance(value, dict):
            at[last] = overridden(at[last], value)
        else:
            at[last] = off(at[last]) if isinstance(at[last], dict) and value == OFF else value
    return _loosened(found)


def _loosened(found: Content) -> Content:
    """Every limit that is off and must still be a figure, as one; a single transaction's is then the day's."""
    for path, wide in LOOSE.items():
        *above, last = path.split(".")
        section = found.get(above[0], {}) if above else found
        if section.get(last) == OFF:
            section[last] = wide
    if "spend" in found and found["spend"].get("hard_max_usd") == OFF:
        found["spend"]["hard_max_usd"] = found["spend"]["window_24h_usd"]
    return found


def off(section: Mapping[str, Any]) -> Content:
    """A section none of whose figures counts any more."""
    return {name: kept if isinstance(kept, bool) else OFF for name, kept in section.items()}


def _parts(path: str, reference: Mapping[str, Any]) -> list[str]:
    return [path] if path in reference else path.split(".")


def _append(at: Content, name: str, value: Any, path: str) -> None:
    known = name if name in at else next((key for key in at if key.partition("(")[0] == name), None)
    if known is None or not isinstance(at[known], list):
        raise Unrealised(f"policy.{path}: the reference policy has no list {name}")
    at[known] = [*at[known], *(value if isinstance(value, list) else [value])]


def places(reference: Mapping[str, Any]) -> frozenset[str]:
    """The targets whose functions are allowed. Raises Unrealised where only some of a target's functions are."""
    allowed: dict[str, set[str]] = {}
    for targets, functions in reference["calls"].items():
        for target in str(targets).split(","):
            allowed.setdefault(target.strip(), set()).update(str(function).partition("(")[0] for function in functions)
    for target, names in allowed.items():
        needed = set(PLACES.get(target, ()))
        if (strange := names - needed - set(ON_TOKENS)) or (names & needed and needed - names):
            raise Unrealised(f"policy.calls: of {target} just {', '.join(sorted(strange or names))}")
    return frozenset(target for target, names in allowed.items() if names & set(PLACES.get(target, ())))


def recipient(reference: Mapping[str, Any]) -> str | None:
    """The one address that may receive transfers: ours knows one, and of several the last that was added is it."""
    listed = [names for function, names in reference["recipients"].items() if function.startswith("transfer(")]
    others = [names for function, names in reference["recipients"].items() if not function.startswith("transfer(")]
    if any(list(names) != [SELF] for names in others):
        raise Unrealised(f"policy.recipients: {others}")
    return str(listed[0][-1]) if listed and listed[0] else None
