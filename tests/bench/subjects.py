"""One market of each adapter with a claim on it and what is done to both, on the local chain inside this process.

Refuses, as a KeyError, a protocol that has no subject here. sky_savings has no bytecode in any package: it is measured alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from strategies.domain import (
    NATIVE,
    AddLiquidity,
    Address,
    Amount,
    Asset,
    Market,
    MarketAction,
    Position,
    RemoveLiquidity,
    Stake,
    Supply,
    Swap,
    Unstake,
    Withdraw,
)
from strategies.protocols import lido, sky_savings, uniswap_v3
from strategies.protocols.adapter import ADDRESS, UINT256, Adapter, Call, Function
from strategies.protocols.erc20 import BALANCE_OF
from strategies.protocols.registry import adapter_of
from strategies.units import RAY
from tests.evm import Evm
from tests.strategies.protocols.erc4626_walk import ACCOUNTS, ONE, give, scene

CONVERT_TO_ASSETS: Final = Function("07a2d13a", UINT256)
BORROW_BALANCE_OF: Final = Function("374c49b4", ADDRESS)
ETHER: Final = 10**18
SINCE_SEEDED_SECONDS: Final = 3_600
NEVER: Final = 2**40  # a deadline that does not pass
RANGE: Final = 1  # the first token id of the local chain's position manager
SAVINGS_RATE_RAY: Final = 1_000_000_001_547_125_957_863_212_448  # 5 % a year
LENDER: Final = "0x" + "1e" * 20


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured. The peer answers the same questions by executing the contracts; `views` are what it is asked for the
    claim's value, the first less all others, and empty where no contract says it."""

    name: str
    adapter: Adapter[Any]
    market: Market
    account: Address
    answers: tuple[bytes, ...]
    state: Any
    held: Position
    actions: tuple[MarketAction, ...]
    peer: Evm | None
    views: tuple[Call, ...]

    def peer_value_raw(self) -> int:
        """What the contracts say the claim is worth now."""
        assert self.peer is not None
        first, *others = (int.from_bytes(answer, "big") for answer in self.peer.ask(self.views))
        return first - sum(others)


def subject(name: str) -> Subject:
    """The subject of an adapter, on a chain of its own."""
    return SUBJECTS[name]()


def _of_chain(market_id: str, actions: Callable[[Market], tuple[MarketAction, ...]]) -> Subject:
    evm = Evm.of_devnet()
    evm.warp(SINCE_SEEDED_SECONDS)
    market = next(known for known in evm.deployment.markets if known.id == market_id)
    return _measured(evm, market, evm.actors["lender"], actions(market))


def _measured(evm: Evm, market: Market, account: Address, actions: tuple[MarketAction, ...]) -> Subject:
    adapter = adapter_of(market)
    answers = evm.ask(adapter.reads(market))
    held = adapter.holding(market, evm.ask(adapter.holding_reads(market, account)))
    return Subject(
        name=market.protocol,
        adapter=adapter,
        market=market,
        account=account,
        answers=answers,
        state=adapter.decode(market, answers, evm.timestamp),
        held=held,
        actions=actions,
        peer=evm,
        views=_views(market, account, held),
    )


def _views(market: Market, account: Address, held: Position) -> tuple[Call, ...]:
    match market.protocol:
        case "aave_v3":
            return tuple(Call(market.contract(role), BALANCE_OF.encode(account)) for role in ("receipt", "debt"))
        case "compound_v3":
            return tuple(Call(market.address, view.encode(account)) for view in (BALANCE_OF, BORROW_BALANCE_OF))
        case "erc4626" | "metamorpho" | "stata":
            return (Call(market.address, CONVERT_TO_ASSETS.encode(held.shares_raw)),)
        case "lido":
            return (Call(market.address, BALANCE_OF.encode(account)),)
        case _:
            return ()


def _lends(market: Market) -> tuple[MarketAction, ...]:
    one = 10**market.asset.decimals
    return Supply(market, Amount(market.asset, 1_000 * one)), Withdraw(market, Amount(market.asset, 500 * one))


def _stakes(market: Market) -> tuple[MarketAction, ...]:
    assert market.asset.address == NATIVE
    steth, _ = lido.pool.tokens(market)
    return Stake(market, Amount(market.asset, ETHER)), Unstake(market, Amount(steth, ETHER))


def _plain_vault() -> Subject:
    chain, account = scene(Evm.empty(), "PlainVault 6"), ACCOUNTS[0]
    assert chain.does(account, Supply(chain.market, Amount(chain.market.asset, 1_000_000 * ONE)))
    give(chain.evm, chain.market, 54_321 * ONE)
    return _measured(chain.evm, chain.market, account, _lends(chain.market))


def _range() -> Subject:
    """A lender's range, which is read by its token id, with its bounds."""
    evm = Evm.of_devnet()
    account = evm.actors["lender"]
    market = next(known for known in evm.deployment.markets if known.protocol == "uniswap_v3")
    adapter = uniswap_v3.UniswapV3()
    answers = evm.ask(adapter.reads(market))
    held = adapter.range_of(market, evm.ask(adapter.range_reads(market, RANGE)), account=account, token_id=RANGE)
    assert held.range is not None
    pool = adapter.decode(market, answers, evm.timestamp)
    state = adapter.with_bounds(pool, held.range.ticks, evm.ask(adapter.bounds_reads(market, held.range.ticks)))
    first, second = uniswap_v3.tokens(market)
    most = (Amount(first, 1_000 * 10**first.decimals), Amount(second, 1_000 * 10**second.decimals))
    nothing = (Amount(first, 0), Amount(second, 0))
    actions = (
        AddLiquidity(market, RANGE, most, nothing, NEVER),
        RemoveLiquidity(market, RANGE, held.shares_raw // 100, nothing, NEVER),
        Swap(market, Amount(market.asset, 1_000 * 10**market.asset.decimals), nothing[first == market.asset], NEVER),
    )
    return Subject(market.protocol, adapter, market, account, answers, state, held, actions, evm, ())


def _savings() -> Subject:
    asset = Asset(31_337, "0x" + "5a" * 20, "USDS", 18)
    market = Market("sky:sUSDS", "sky_savings", "0x" + "5b" * 20, asset)
    adapter = sky_savings.SkySavings()
    words = (int(asset.address, 16), 10**27, SAVINGS_RATE_RAY, 107 * RAY // 100, 1_800_000_000 - SINCE_SEEDED_SECONDS)
    answers = tuple(word.to_bytes(32, "big") for word in words)
    state = adapter.decode(market, answers, 1_800_000_000)
    held = Position(market, 12_345 * ETHER)
    return Subject(market.protocol, adapter, market, LENDER, answers, state, held, (), None, ())


SUBJECTS: Final[Mapping[str, Callable[[], Subject]]] = {
    "aave_v3": lambda: _of_chain("aave-new:USDC", _lends),
    "compound_v2": lambda: _of_chain("venus:USDC", _lends),
    "compound_v3": lambda: _of_chain("comet:USDC", _lends),
    "morpho_blue": lambda: _of_chain("morpho:USDC/WETH", _lends),
    "erc4626": _plain_vault,
    "metamorpho": lambda: _of_chain("metamorpho:USDC", _lends),
    "stata": lambda: _of_chain("stata:USDC", _lends),
    "uniswap_v3": _range,
    "lido": lambda: _of_chain("lido:stETH", _stakes),
    "sky_savings": _savings,
}
