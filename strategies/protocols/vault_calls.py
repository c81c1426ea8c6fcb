"""The calls of ERC-4626 that move something of our own, written and read back: deposit, withdraw, redeem.

Refuses any receiver or owner but the account, an amount of nothing, and the largest number, which is no word for everything."""

from collections.abc import Sequence
from typing import Final

from strategies.domain import Action, Address, Amount, Market, MarketAction, Shares, Supply, Withdraw
from strategies.errors import UnknownCall
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, UINT256, Call, Function
from strategies.units import MAX_UINT256

DEPOSIT: Final = Function("6e553f65", UINT256, ADDRESS)
WITHDRAW: Final = Function("b460af94", UINT256, ADDRESS, ADDRESS)
REDEEM: Final = Function("ba087652", UINT256, ADDRESS, ADDRESS)


def encode(action: MarketAction, account: Address) -> tuple[Call, ...]:
    """deposit after its exact approval, withdraw of an amount, or redeem of shares. Raises UnknownCall."""
    market = action.market
    match action:
        case Supply(amount=amount) if amount.asset == market.asset:
            call = _written(DEPOSIT, market, amount.raw, account)
            return erc20.approve_exactly(amount, market.address), call
        case Withdraw(amount=Amount() as amount) if amount.asset == market.asset:
            return (_written(WITHDRAW, market, amount.raw, account),)
        case Withdraw(amount=Shares(raw)):
            return (_written(REDEEM, market, raw, account),)
        case _:
            raise UnknownCall(f"a vault cannot be asked for {action}")


def parse(call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
    """Bytes back to meaning; None for another receiver or owner, a value, or one unread byte."""
    function = next((known for known in (DEPOSIT, WITHDRAW, REDEEM) if known.selector == call.data[:4]), None)
    market = next((known for known in markets if known.address == call.target), None)
    if function is None or market is None or call.value_wei:
        return None
    try:
        raw, *parties = function.decode(call.data)
    except ValueError:
        return None
    if set(parties) != {account} or not 0 < int(raw) < MAX_UINT256:
        return None
    if function is REDEEM:
        return Withdraw(market, Shares(int(raw)))
    amount = Amount(market.asset, int(raw))
    return Supply(market, amount) if function is DEPOSIT else Withdraw(market, amount)


def _written(function: Function, market: Market, raw: int, account: Address) -> Call:
    """The call, every party in it the account."""
    if not 0 < raw < MAX_UINT256:
        raise UnknownCall(f"{raw} base units in {market.id}")
    try:
        return Call(market.address, function.encode(raw, *[account for _ in function.kinds[1:]]))
    except ValueError as error:
        raise UnknownCall(str(error)) from error
