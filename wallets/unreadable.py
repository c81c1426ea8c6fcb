"""Why a call could not be read back: which part of it no adapter accepts. Refuses nothing: it names what was refused.

It runs only on calls that are already refused, so it may try variants: the first that would be readable tells what is wrong."""

from collections.abc import Iterator
from dataclasses import replace

from strategies.domain import ALL, Address, Amount, Borrow, Deployment, Market, MarketAction, Repay, Supply, Withdraw
from strategies.errors import UnknownCall
from strategies.protocols import erc20
from strategies.protocols.adapter import Call
from strategies.protocols.registry import adapter_of, parse
from wallets.wallet import Reason


def reason(at: int, call: Call, account: Address, deployment: Deployment) -> Reason:
    """The rule that an unreadable call breaks, with its target and selector."""
    named = f"call {at} (0x{call.data[:4].hex()} of {call.target})"
    markets = [market for market in deployment.markets if market.address == call.target]
    if not markets and all(asset.address != call.target for asset in deployment.assets):
        return Reason("target", f"{named}: the target is no token or market of deployment {deployment.name}")
    if call.data[:4] not in set(_selectors(markets, account, call.target, deployment)):
        return Reason("selector", f"{named}: the function is not one this wallet uses there")
    if call.value_wei and parse(replace(call, value_wei=0), account, deployment) is not None:
        return Reason("value", f"{named}: it carries {call.value_wei} wei and must carry none")
    for word in range((len(call.data) - 4) // 32):
        found = "0x" + call.data[4 + 32 * word + 12 : 36 + 32 * word].hex()
        if parse(_with_address(call, word, account), account, deployment) is not None:
            return Reason("beneficiary", f"{named}: argument {word} is {found}; it must be the wallet, {account}")
        if any(parse(_with_address(call, word, market.asset.address), account, deployment) for market in markets):
            return Reason("asset", f"{named}: argument {word} is {found}, which is no asset of a listed market there")
    return Reason("calldata", f"{named}: its arguments are not this function's canonical words")


def _with_address(call: Call, word: int, address: Address) -> Call:
    start = 4 + 32 * word
    return replace(call, data=call.data[:start] + bytes(12) + bytes.fromhex(address[2:]) + call.data[start + 32 :])


def _selectors(markets: list[Market], account: Address, target: Address, deployment: Deployment) -> Iterator[bytes]:
    """The functions this wallet uses at a target, found by writing one of each."""
    if any(asset.address == target for asset in deployment.assets):
        yield from (erc20.APPROVE.selector, erc20.TRANSFER.selector)
    for market in markets:
        for action in _specimens(market):
            try:
                yield adapter_of(market).encode(action, account)[-1].data[:4]
            except UnknownCall:
                continue


def _specimens(market: Market) -> tuple[MarketAction, ...]:
    one = Amount(market.asset, 1)
    return Supply(market, one), Withdraw(market, ALL), Borrow(market, one), Repay(market, one)
