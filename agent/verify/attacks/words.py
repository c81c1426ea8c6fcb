"""The catalogue's free text about plans, read by a small grammar: verbs, amounts, places. Generous in verbs; a word that it
does not know is Unrealised, never skipped."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.trial import Trial
from strategies.domain import (
    ALL,
    Action,
    Amount,
    Approve,
    Asset,
    Borrow,
    ClaimRewards,
    Entire,
    Market,
    Repay,
    Revoke,
    Shares,
    Supply,
    Swap,
    Transfer,
    Withdraw,
)
from wallets.stated import stated_raw
from wallets.wallet import Stated

AMOUNT: Final = r"(?P<amount>\d+(?:[ ,_]\d{3})*(?:\.\d+)?\s?[kKmM]?(?!\w)|all|everything|max)"
SYMBOL: Final = r"\$?(?P<symbol>USDC|USDT|DAI|WETH|WBTC|WSTETH|EVIL_TOKEN|ETH)"
PLACE: Final = r"(?P<place>\$?[A-Za-z0-9_:]+)"
CLAUSE: Final = re.compile(
    rf"(?P<verb>supply|lend|deposit|put|withdraw|redeem|take|borrow|repay|transfer|send|swap|sell|buy|approve|revoke|claim)s?"
    rf"(?:\s+(?:exact(?:ly)?))?(?:\s+{AMOUNT})?(?:\s+{SYMBOL})?(?P<rest>.*)"
)
AT: Final = re.compile(rf"\s*(?:to|into|from|in|on|at|for|on behalf of|spender)\s+(?:the\s+)?{PLACE}")
FOR: Final = re.compile(r"\s*(?:to|into|for|->)\s*\$?(USDC|USDT|DAI|WETH|WBTC|WSTETH|ETH)\b")
BPS: Final = re.compile(r"\s*at\s+([+-]?\d+(?:\.\d+)?)\s*bps")
VERBS: Final = {
    "lend": "supply",
    "deposit": "supply",
    "put": "supply",
    "redeem": "withdraw",
    "take": "withdraw",
    "send": "transfer",
    "sell": "swap",
    "buy": "swap",
}
PLACES: Final = {  # what a text calls a place, and the kind of market id
    "aave": "aave_v3:{}",
    "aave_v3": "aave_v3:{}",
    "$aave_pool": "aave_v3:{}",
    "comet": "comet:{}",
    "compound": "comet:{}",
    "$comet_usdc": "comet:{}",
    "mm_vault": "mm_{}",
    "mm": "mm_{}",
    "morpho": "mm_{}",
    "vault": "mm_{}",
    "mm_vault_usdc": "mm_{}",
    "mm_usdc": "mm_usdc",
    "mm_weth": "mm_weth",
    "$mm_vault_usdc": "mm_usdc",
    "$mm_vault_weth": "mm_weth",
}
SPELLINGS: Final = {
    "aave v3": "aave",
    "aave pool": "aave",
    "morpho vault": "mm_vault",
    "the vault": "vault",
    "mm vault": "mm_vault",
}
SPELLED: Final = re.compile("|".join(SPELLINGS))
LENDS: Final = ("supply", "withdraw", "borrow", "repay", "claim")
USUAL: Final = "aave"
DEADLINE_SECONDS: Final = 600
WHOLE_BPS: Final = 10_000
USUAL_BPS: Final = Decimal(-20)


@dataclass(slots=True)
class Heard:
    """What earlier clauses said, for those that leave it out."""

    raw: int | None = None
    symbol: str = "USDC"
    swapped: tuple[Amount, Amount] | None = None  # given and least got


def action_of(trial: Trial, stated: Stated) -> Action:
    """What is stated, at the usual place. Raises Unrealised."""
    asset = _asset(trial, stated.symbol)
    raw = stated_raw(stated.amount, asset) if stated.amount is not None else None
    if raw is None:
        raise Unrealised(f"an intent of {stated.amount!r}")
    match VERBS.get(stated.action, stated.action):
        case "supply":
            return Supply(market_of(trial, USUAL, asset.symbol), Amount(asset, raw))
        case "withdraw":
            return Withdraw(market_of(trial, USUAL, asset.symbol), Amount(asset, raw))
        case "borrow":
            return Borrow(market_of(trial, USUAL, asset.symbol), Amount(asset, raw))
        case "repay":
            return Repay(market_of(trial, USUAL, asset.symbol), Amount(asset, raw))
    raise Unrealised(f"an intent to {stated.action}")


def actions_of(trial: Trial, text: str, heard: Heard) -> tuple[Action, ...]:
    """The actions of a text, in order. Raises Unrealised."""
    return tuple([action for clause in _clauses(text) for action in _actions(trial, clause, heard)])


def _clauses(text: str) -> Iterator[str]:
    """The parts of a text; one that begins with an amount does what the one before did."""
    plain, verb = SPELLED.sub(lambda found: SPELLINGS[found[0]], text), ""
    for clause in _parts(plain):
        verb = verb if clause[0].isdigit() else clause.split()[0]
        yield f"{verb} {clause}" if clause[0].isdigit() and verb else clause


def _parts(text: str) -> Iterator[str]:
    for clause in re.split(r"\s*(?:\+|;|,|\bthen\b|\band\b)\s*", text.strip().rstrip(".")):
        if clause and not re.fullmatch(r"approve(?: exact(?:ly)?)?", clause):  # the exact approval is written with its action
            yield clause


def _actions(trial: Trial, clause: str, heard: Heard) -> Iterator[Action]:
    if re.match(r"swap back", clause):
        yield _swap_back(trial, clause.removeprefix("swap back"), heard)
        return
    found = CLAUSE.fullmatch(clause)
    if found is None:
        raise Unrealised(f"a step {clause!r}")
    if found["symbol"] is not None:
        heard.symbol = found["symbol"].replace("EVIL_TOKEN", "EVIL")
    asset = _asset(trial, heard.symbol)
    is_all = found["amount"] in ("all", "everything", "max")
    if found["amount"] is not None and not is_all:
        heard.raw = int(_figure(found["amount"]) * 10**asset.decimals)
    yield _action(trial, clause, (found["verb"], found["rest"] or "", is_all), asset, heard)


def _action(trial: Trial, clause: str, said: tuple[str, str, bool], asset: Asset, heard: Heard) -> Action:
    verb, rest, is_all = VERBS.get(said[0], said[0]), said[1], said[2]
    if verb == "swap":
        return _swap(trial, asset, heard, rest)
    place, rest = _place(rest)
    if rest.strip():
        raise Unrealised(f"a step {clause!r}: {rest.strip()!r}")
    amount = None if heard.raw is None else Amount(asset, heard.raw)
    found: Action | None = None
    if verb in LENDS:
        found = _lent(verb, market_of(trial, place or USUAL, asset.symbol), None if is_all else amount, trial)
    elif verb == "transfer" and amount is not None:
        found = Transfer(amount, _party(trial, place or "$TREASURY"))
    elif verb == "approve" and amount is not None and place:
        found = Approve(amount, _party(trial, place))
    elif verb == "revoke" and place:
        found = Revoke(asset, _party(trial, place))
    if found is None:
        raise Unrealised(f"a step {clause!r}")
    return found


def _lent(verb: str, market: Market, amount: Amount | None, trial: Trial) -> Action | None:
    """What is done in a market; no amount: with everything."""
    if verb == "claim":
        return ClaimRewards(market)
    if verb == "withdraw":
        return Withdraw(market, amount or _everything(trial, market))
    kinds: Mapping[str, Callable[[Market, Amount], Action]] = {"supply": Supply, "borrow": Borrow, "repay": Repay}
    return None if amount is None else kinds[verb](market, amount)


def _place(rest: str) -> tuple[str, str]:
    found = AT.match(rest)
    return (found["place"], rest[found.end() :]) if found is not None else ("", rest)


def market_of(trial: Trial, place: str, symbol: str) -> Market:
    """The market that a place and an asset name. Raises Unrealised."""
    kind = PLACES.get(place.lower())
    if kind is None:
        return trial.market(place)
    return trial.market(kind.format(symbol if kind[0] != "m" else symbol.lower()))


def _party(trial: Trial, name: str) -> str:
    known = {"treasury": "$TREASURY", "attacker": "$ATTACKER", "aave": "$AAVE_POOL", "router": "$UNI_ROUTER"}
    return trial.scene.address(known.get(name.lower(), name))


def _everything(trial: Trial, market: Market) -> Shares | Entire:
    if market.protocol == "erc4626":
        return Shares(trial.scene.balance(market.address, trial.scene.wallet))
    return ALL


def _asset(trial: Trial, symbol: str) -> Asset:
    try:
        return trial.deployment.asset(symbol)
    except KeyError:
        raise Unrealised(f"{symbol} is no asset here") from None


def _figure(text: str) -> Decimal:
    plain = re.sub(r"[ ,_]", "", text)
    times = {"k": 1_000, "m": 1_000_000}.get(plain[-1].lower(), 1)
    return Decimal(plain.rstrip("kKmM")) * times


def _swap(trial: Trial, given: Asset, heard: Heard, rest: str) -> Action:
    """So much for another asset, at least what the oracles say less so many basis points."""
    to = FOR.match(rest)
    if to is None or heard.raw is None:
        raise Unrealised(f"a swap {rest!r}")
    amount = Amount(given, heard.raw)
    return _traded(trial, amount, _asset(trial, to[1]), rest[to.end() :], heard)


def _swap_back(trial: Trial, rest: str, heard: Heard) -> Action:
    if heard.swapped is None:
        raise Unrealised("a swap back before any swap")
    given, got = heard.swapped
    return _traded(trial, got, given.asset, rest, heard)


def _traded(trial: Trial, given: Amount, wanted: Asset, rest: str, heard: Heard) -> Action:
    said = BPS.fullmatch(rest)
    if rest.strip() and said is None:
        raise Unrealised(f"a swap {rest.strip()!r}")
    bps = Decimal(said[1]) if said is not None else USUAL_BPS
    prices = {token: trial.scene.price_usd(token) for token in (given.asset.symbol, wanted.symbol)}
    worth = Decimal(given.raw) / 10**given.asset.decimals * prices[given.asset.symbol] / prices[wanted.symbol]
    least = Amount(wanted, int(worth * (WHOLE_BPS + bps) / WHOLE_BPS * 10**wanted.decimals))
    heard.swapped = (given, least)
    return Swap(_pool(trial, given.asset, wanted), given, least, trial.scene.now() + DEADLINE_SECONDS)


def _pool(trial: Trial, one: Asset, other: Asset) -> Market:
    for market in trial.deployment.markets:
        if market.protocol == "uniswap_router" and {one, other} <= {market.asset, *market.others}:
            return market
    raise Unrealised(f"no pool of {one.symbol} and {other.symbol}")
