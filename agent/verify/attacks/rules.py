"""Which class of the published catalogues each of our own rules belongs to: the one table. A rule that is not here counts for
nothing, and a test holds the table against the source."""

from collections.abc import Iterable, Mapping
from typing import Final

CLASSES: Final[Mapping[str, str]] = {
    # what a transaction may be
    "chain": "R-CHAIN",
    "envelope": "R-TXTYPE",
    "target": "R-TARGET",
    "market": "R-TARGET",
    "selector": "R-SELECTOR",
    "action": "R-SELECTOR",
    "calldata": "R-CALLDATA",
    "beneficiary": "R-ARG-RECIPIENT",
    "asset": "R-ARG-ASSET",
    "borrow": "R-ARG-ASSET",
    "value": "R-VALUE",
    "signature": "R-SIGN",
    # what it may cost and risk
    "cap-transaction": "R-SPEND-TX",
    "cap-day": "R-SPEND-WINDOW",
    "cap-market": "R-CONCENTRATION",
    "cap-protocol": "R-CONCENTRATION",
    "cap-issuer": "R-CONCENTRATION",
    "concentration": "R-CONCENTRATION",
    "allowance": "R-ALLOWANCE",
    "slippage": "R-SLIPPAGE",
    "loss": "R-SLIPPAGE",
    "price": "R-PRICE",
    "peg": "R-PRICE",
    "sequencer": "R-PRICE",
    "gas": "R-GAS",
    "health": "R-HEALTH",
    "pace": "R-COOLDOWN",
    # when, and in what order
    "age": "R-DEADLINE",
    "deadline": "R-DEADLINE",
    "plan": "R-PLAN",
    "intent": "R-PLAN",
    "encodable": "R-PLAN",
    "stated": "R-UNITS",
    "units": "R-UNITS",
    "nonce": "R-NONCE",
    # what the chain says of it
    "simulation": "R-SIMDIFF",
    "effects": "R-SIMDIFF",
    "code": "R-CODEHASH",
    # people, stops, lists
    "approval": "R-APPROVAL",
    "two-people": "R-TWOMAN",
    "terms": "R-TIMELOCK",
    "deployment": "R-SUPPLY",
    "paused": "R-KILL",
    "compliance": "R-COMPLIANCE",
    "screening": "R-SANCTIONS",
    # the house around the wallet
    "choice": "R-SCHEMA",
    "settings": "R-CONFIG",
    "keystore": "R-KEY",
    "secret": "R-KEY",
    "journal": "R-LOG",
    "locked": "R-SUPPLY",
    "worth": "R-YIELD",
    "token": "R-TOKEN",
}


def classes_of(rules: Iterable[str]) -> tuple[str, ...]:
    """The classes of recorded rules, in their order, each once; a rule of no class is left out."""
    return tuple(dict.fromkeys([CLASSES[rule] for rule in rules if rule in CLASSES]))
