"""Why a call could not be read back: which part of it no adapter accepts. Refuses nothing: it names what was refused.

It runs only on calls that are already refused, so it may try variants: the first that would be readable tells what is wrong."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from strategies.domain import (
    ALL,
    Address,
    Amount,
    Borrow,
    ClaimRewards,
    Deployment,
    Market,
    MarketAction,
    Repay,
    SetCollateral,
    Shares,
    Supply,
    Unwrap,
    Withdraw,
    Wrap,
)
from strategies.errors import UnknownCall
from strategies.protocols import erc20
from strategies.protocols.adapter import Call
from strategies.protocols.registry import adapter_of, parse
from strategies.units import MAX_UINT256
from wallets import unread_grants, unread_trades
from wallets.wallet import Reason

LEAST_NAME: Final = 2**32  # a contract or a threshold is above it; places, flags and our specimens' amounts are below


def reasons(at: int, call: Call, account: Address, deployment: Deployment) -> tuple[Reason, ...]:
    """The rules that an unreadable call breaks, with its target and selector: of a trade all of them, else the first found."""
    named = f"call {at} (0x{call.data[:4].hex()} of {call.target})"
    if unread_trades.is_router(call.target, deployment):
        return tuple([Reason(rule, f"{named}: {what}") for rule, what in unread_trades.flaws(call, account, deployment)])
    if (flaw := unread_grants.flaw(call, deployment)) is not None:
        return (Reason(flaw[0], f"{named}: {flaw[1]}"),)
    return (_reason(named, call, account, deployment),)


def _reason(named: str, call: Call, account: Address, deployment: Deployment) -> Reason:
    markets = [market for market in deployment.markets if call.target in _targets(market, account)]
    if not markets and all(asset.address != call.target for asset in deployment.assets):
        return Reason("target", f"{named}: the target is no token or market of deployment {deployment.name}")
    if call.data[:4] not in set(_selectors(markets, account, call.target, deployment)):
        return Reason("selector", f"{named}: the function is not one this wallet uses there")
    if call.value_wei and parse(replace(call, value_wei=0), account, deployment) is not None:
        return Reason("value", f"{named}: it carries {call.value_wei} wei and must carry none")
    if not call.value_wei and any(
        own.value_wei and own.data == call.data for market in markets for own in _written(market, account)
    ):
        return Reason("value", f"{named}: it carries nothing, and what it carries is what it is about")
    rule, what = _argument(call, markets, account, deployment)
    return Reason(rule, f"{named}: {what}")


def _argument(call: Call, markets: list[Market], account: Address, deployment: Deployment) -> tuple[str, str]:
    """What is wrong behind the selector, and the rule that it breaks."""
    ours = [own for own in _specimens_of(markets, account, call.target) if own[:4] == call.data[:4]]
    put = {(at, word) for own in ours for at, word in enumerate(_words(own))}  # what stands where in our own calls
    for at, word in enumerate(_words(call.data)):
        found = f"0x{word[12:].hex()}"
        if word[:12] != bytes(12) and (at, bytes(12) + word[12:]) in put:
            return "calldata", f"argument {at} is the address {found} with bytes above it, which no encoder writes"
        if (at, _word(account)) in put and parse(_with_address(call, word, account), account, deployment) is not None:
            return "beneficiary", f"argument {at} is {found}; it must be the wallet, {account}"
        assets = [market.asset.address for market in markets if (at, _word(market.asset.address)) in put]
        if any(parse(_with_address(call, word, asset), account, deployment) for asset in assets):
            return "asset", f"argument {at} is {found}, which is no asset of a listed market there"
    if any(parse(replace(call, data=_in_its_market(call.data, own, account)), account, deployment) for own in ours):
        return "market", "its arguments name no market that is listed there"
    if ours and (size := len(call.data)) not in map(len, ours):
        return "calldata", f"it is {size} bytes long, and what this wallet writes {len(ours[0])}: nothing follows, no callback"
    return "calldata", "its arguments are not this function's canonical words"


def _with_address(call: Call, word: bytes, address: Address) -> Call:
    """The same with an address in place of a word, wherever that word stands: owner and receiver may be one stranger."""
    words = [_word(address) if known == word else known for known in _words(call.data)]
    return replace(call, data=call.data[:4] + b"".join(words))


def _in_its_market(data: bytes, own: bytes, account: Address) -> bytes:
    """A call's data with the words that name a market as one of our own has them; amounts and parties stay."""
    pairs = zip(_words(data), _words(own), strict=False)
    names = [
        own if own != _word(account) and LEAST_NAME < int.from_bytes(own, "big") < MAX_UINT256 else said for said, own in pairs
    ]
    return data[:4] + b"".join(names) + data[4 + 32 * len(names) :]


def _word(address: Address) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def _words(data: bytes) -> list[bytes]:
    return [data[start : start + 32] for start in range(4, len(data), 32)]


def _selectors(markets: list[Market], account: Address, target: Address, deployment: Deployment) -> Iterator[bytes]:
    """The functions this wallet uses at a target, found by writing one of each."""
    if any(asset.address == target for asset in deployment.assets):
        yield from (erc20.APPROVE.selector, erc20.TRANSFER.selector)
    yield from (data[:4] for data in _specimens_of(markets, account, target))


def _targets(market: Market, account: Address) -> set[Address]:
    """The contracts a market's own calls go to; its address in any case."""
    return {market.address, *[call.target for call in _written(market, account)]}


def _specimens_of(markets: list[Market], account: Address, target: Address) -> Iterator[bytes]:
    """One of each call to a contract that markets' adapters write."""
    return (call.data for market in markets for call in _written(market, account) if call.target == target)


def _written(market: Market, account: Address) -> Iterator[Call]:
    for action in _specimens(market):
        try:
            yield adapter_of(market).encode(action, account)[-1]
        except UnknownCall:
            continue


def _specimens(market: Market) -> tuple[MarketAction, ...]:
    one, share = Amount(market.asset, 1), Shares(1)
    backing = [kind(market, Amount(asset, 1)) for kind in (Supply, Withdraw) for asset in market.others]
    taken = [Withdraw(market, amount) for amount in (ALL, one, share)]
    others = SetCollateral(market, True), ClaimRewards(market)
    wrapping = [kind(market, Amount(asset, 1)) for kind in (Wrap, Unwrap) for asset in (market.asset, *market.others)]
    return Supply(market, one), *taken, Borrow(market, one), Repay(market, one), *backing, *others, *wrapping
