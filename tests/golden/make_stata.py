"""Writes `stata.json`: random walks of static wrappers as Aave's own bytecode answered them, from the local chain's build.

Run it with `python -m tests.golden.make_stata` where the chain's build has changed. The model chooses nothing but the amounts
that are tried."""

import json
import random
from pathlib import Path
from typing import Any

from strategies.domain import Amount, Market, MarketAction, Shares, Supply, Withdraw
from strategies.protocols.stata import Stata
from tests.strategies.protocols.stata_walk import ACCOUNTS, ADAPTER, Dice, StataInEvm, name_of

GOLDEN = Path(__file__).with_name("stata.json")
SOURCE = "npm @aave-dao/aave-v3-origin 3.6.0: StataTokenV2 over its own pool"
WALKS = (("stata:USDC", 1), ("stata:USDC", 2), ("stata:WETH", 3), ("stata:WETH", 4))
STEPS = 36
OWN = ("total_supply_raw", "backing_scaled_raw")
OF_THE_RESERVE = (
    *("last_update_timestamp", "liquidity_index_ray", "variable_index_ray", "liquidity_rate_ray", "variable_rate_ray"),
    *("scaled_supply_raw", "treasury_scaled_raw", "available_raw"),
)


def record(chain: StataInEvm, *, seed: int) -> dict[str, Any]:
    """One walk: the opening answers, then each action with what became of it, and new answers where others intervened."""
    dice = Dice(chain, random.Random(seed))
    walk: dict[str, Any] = {"source": SOURCE, "market": described(chain.market), "opening": answered(chain)}
    return walk | {"steps": [taken(chain, dice) for _ in range(STEPS)]}


def taken(chain: StataInEvm, dice: Dice) -> dict[str, Any]:
    """One step of the dice, called."""
    step = dice.step(chain.state(), {account: chain.held(account) for account in ACCOUNTS})
    if step is None:
        return {"kind": "read", **answered(chain)}
    chain.evm.warp(step.seconds)
    before_raw = chain.balance_raw(step.account)
    done = chain.act(step.account, step.action)
    account = ACCOUNTS.index(step.account)
    entry = {"kind": name_of(step.action), "account": account, "raw": raw_of(step.action), "seconds": step.seconds}
    if not done.succeeded:
        return entry | {"out": "reverted"}
    moved_raw = chain.balance_raw(step.account) - before_raw
    return entry | {"out": [*numbers(chain.state()), str(chain.held(step.account).shares_raw), str(moved_raw)]}


def raw_of(action: MarketAction) -> str:
    match action:
        case Supply(amount=Amount(raw=raw)) | Withdraw(amount=Amount(raw=raw)) | Withdraw(amount=Shares(raw)):
            return str(raw)
        case _:
            raise ValueError(f"the dice threw {action}")


def numbers(state: Stata) -> list[str]:
    own = [getattr(state, field) for field in OWN]
    return [str(number) for number in (*own, *(getattr(state.reserve, field) for field in OF_THE_RESERVE))]


def answered(chain: StataInEvm) -> dict[str, Any]:
    """What the chain says now; accounts' shares beside it, because others may have moved them."""
    answers = [answer.hex() for answer in chain.evm.ask(ADAPTER.reads(chain.market))]
    return {
        "answers": answers,
        "at": chain.evm.timestamp,
        "shares": [str(chain.held(account).shares_raw) for account in ACCOUNTS],
    }


def described(market: Market) -> dict[str, Any]:
    asset = {"address": market.asset.address, "symbol": market.asset.symbol, "decimals": market.asset.decimals}
    inner = [described(wrapped) for wrapped in market.wraps]
    return {
        "id": market.id,
        "protocol": market.protocol,
        "address": market.address,
        "asset": asset,
        "contracts": dict(market.contracts),
        "wraps": inner,
    }


def main() -> None:
    walks = [record(StataInEvm.of_devnet(market_id), seed=seed) for market_id, seed in WALKS]
    lines = ",\n".join(json.dumps(walk, separators=(",", ":")) for walk in walks)
    GOLDEN.write_text(
        '{"own":' + json.dumps(OWN) + ',"reserve":' + json.dumps(OF_THE_RESERVE) + ',"walks":[\n' + lines + "\n]}\n"
    )


if __name__ == "__main__":
    main()
