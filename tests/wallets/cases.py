"""Cases for the guard, made from the small worlds: a plan encoded, read back, modelled; every part replaceable by name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from strategies.domain import Action, Amount, Asset, Deployment, Market, Portfolio, Quote
from strategies.errors import ProtocolError
from strategies.protocols.aave_v3.arithmetic import V3_0, Curve
from strategies.protocols.aave_v3.reserve import Configuration, Reserve
from strategies.protocols.adapter import Call
from strategies.protocols.registry import encode, parse
from strategies.tape import Reading
from strategies.units import RAY, USD_E8, WAD
from tests import worlds
from tests.worlds import ACCOUNT, CHAIN, ETHER, ONE, TWO, USDC
from wallets.case import Case, Fees
from wallets.expected import Modelled, expected_effects
from wallets.policy import Policy

TREASURY = "0x" + "7e" * 20
STRANGER = "0x" + "5a" * 20
USD = 10**6
GAS_LIMIT = 30_000  # less than any call needs: no rule here executes one
WETH = Asset(CHAIN, "0x" + "e0" * 20, "WETH", 18)
POOL = "0x" + "aa" * 20


def _aave(name: str, asset: Asset, byte: str) -> Market:
    roles = {"receipt": "1", "debt": "2", "stable_debt": "3", "strategy": "4", "oracle": "5"}
    return Market(
        name, "aave_v3", POOL, asset, tuple((role, "0x" + f"{digit}{byte}" * 20) for role, digit in sorted(roles.items()))
    )


AAVE_USDC = _aave("aave:USDC", USDC, "d")
AAVE_WETH = _aave("aave:WETH", WETH, "f")
LENDING = Deployment(CHAIN, "lending", worlds.DEPLOYMENT.multicall, (USDC, WETH, ETHER), (AAVE_USDC, AAVE_WETH, ONE), {})


def policy(**changes: object) -> Policy:
    """Roomy limits that a test tightens by name."""
    content: dict[str, object] = {
        "chain_id": CHAIN,
        "account": ACCOUNT,
        "treasury": TREASURY,
        "markets": (ONE.id, TWO.id, AAVE_USDC.id, AAVE_WETH.id),
        "borrow_markets": (AAVE_USDC.id,),
        "max_transaction_usd": 50_000,
        "max_day_usd": 80_000,
        "max_market_usd": 100_000,
        "max_protocol_usd": 1_000_000,
        "max_issuer_usd": 1_000_000,
        "max_calls": 8,
        "min_health_factor_bps": 15_000,
        "max_fee_gwei": 100,
        "max_priority_fee_gwei": 5,
        "max_gas_per_transaction": 1_500_000,
        "max_transaction_gas_usd": 500,
        "max_day_gas_usd": 1_000,
        "min_native_reserve_wei": WAD // 100,
        "max_reading_age_seconds": 60,
        "max_price_age_seconds": 3_600,
        "max_plan_age_blocks": 20,
        "approval_expiry_seconds": 900,
        "price_sources": ("oracle",),
        "operators": (),
    }
    return Policy.model_validate(content | changes | worlds.tables(changes))


def usdc(whole: int) -> Amount:
    return Amount(USDC, whole * USD)


def weth(whole: int) -> Amount:
    return Amount(WETH, whole * WAD)


def reserve(market: Market, *, price_usd: int, threshold_bps: int = 8_000) -> Reserve:
    """An Aave V3 reserve half lent out, touched at the reading's time."""
    one = 10**market.asset.decimals
    return Reserve(
        market=market,
        version=V3_0,
        configuration=Configuration(
            ltv_bps=7_500,
            threshold_bps=threshold_bps,
            decimals=market.asset.decimals,
            active=True,
            frozen=False,
            borrowing_enabled=True,
            paused=False,
            siloed=False,
            reserve_factor_bps=1_000,
            borrow_cap=0,
            supply_cap=0,
        ),
        curve=Curve(8 * RAY // 10, 0, 4 * RAY // 100, 60 * RAY // 100),
        timestamp=reading().timestamp,
        last_update_timestamp=reading().timestamp - 100,
        liquidity_index_ray=RAY + RAY // 50,
        variable_index_ray=RAY + RAY // 30,
        liquidity_rate_ray=RAY // 50,
        variable_rate_ray=RAY // 25,
        scaled_supply_raw=1_000_000 * one,
        scaled_debt_raw=500_000 * one,
        treasury_scaled_raw=0,
        unbacked_raw=0,
        available_raw=500_000 * one,
        price_usd_e8=price_usd * USD_E8,
    )


def _said() -> tuple[worlds.Said, worlds.Said]:
    return worlds.Said(0.03), worlds.Said(0.05)


def reading() -> Reading:
    """Two recorded markets."""
    return worlds.reading(0, _said())


def lending_reading() -> Reading:
    """Two Aave reserves and a recorded market, priced."""
    seen = reading()
    states = (reserve(AAVE_USDC, price_usd=1), reserve(AAVE_WETH, price_usd=3_000), seen.states[0])
    quotes = (*seen.quotes, Quote(WETH, 3_000 * USD_E8, "test", seen.timestamp))
    return replace(seen, states=states, quotes=quotes)


def fees(count: int, **changes: Any) -> Fees:
    """What a live wallet would offer for so many calls."""
    return replace(Fees(10 * 10**9, 10**9, (GAS_LIMIT,) * count), **changes)


def calls_of(actions: Sequence[Action]) -> tuple[Call, ...]:
    return tuple(call for action in actions for call in encode(action, ACCOUNT))


def case(
    actions: Sequence[Action],
    *,
    seen: Reading | None = None,
    deployment: Deployment = worlds.DEPLOYMENT,
    portfolio: Portfolio | None = None,
    calls: tuple[Call, ...] | None = None,
    **changes: Any,
) -> Case:
    """A live case whose simulation says what the models say."""
    at = seen or reading()
    held = portfolio or worlds.idle()
    written = calls_of(actions) if calls is None else calls
    read = tuple(parse(call, ACCOUNT, deployment) for call in written)
    try:
        modelled, error = _modelled(read, written, at, held, deployment), ""
    except ProtocolError as refused:
        modelled, error = None, str(refused)
    expected = modelled.effects if modelled is not None else None
    made = Case(
        policy=policy(),
        deployment=deployment,
        intent="plan-1",
        endpoint_chain_id=CHAIN,
        calls=written,
        actions=read,
        expected=expected,
        expected_error=error,
        effects=expected,
        effects_error="",
        reading=at,
        portfolio=held,
        plan_block=at.block,
        now=at.timestamp,
        fees=fees(len(written)),
        spent_day_usd_e8=0,
        gas_day_usd_e8=0,
        paused="",
        steps=modelled.steps if modelled is not None else None,
    )
    return replace(made, **changes)


def _modelled(
    read: tuple[Action | None, ...], written: tuple[Call, ...], at: Reading, held: Portfolio, deployment: Deployment
) -> Modelled:
    return expected_effects(
        actions=read,
        calls=written,
        reading=at,
        portfolio=held,
        deployment=deployment,
        account=ACCOUNT,
        timestamp=at.timestamp,
    )
