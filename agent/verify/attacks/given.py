"""Every word of `given`, its one handler, and the order in which handlers change the world: funds, then prices, then what turns,
then the wallet's own memory. A word without a handler fails its case."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from agent.verify.attacks import given_code as codes
from agent.verify.attacks import given_funds as funds
from agent.verify.attacks import given_shown as shown
from agent.verify.attacks import given_turns as turns
from agent.verify.attacks import given_wallet as own
from agent.verify.attacks.outcome import Content, Unrealised
from agent.verify.attacks.scene import Scene

Handler: TypeAlias = Callable[[Scene, Any], None]

TOGETHER: Final = frozenset({"world", "oracle", "dex"})  # handled below, because they need each other or the catalogue
IN_ORDER: Final[Mapping[str, Handler]] = {
    "policy": own.policy,
    "wallet": funds.wallet,
    "positions": funds.positions,
    "exposure_pct": funds.exposure_pct,
    "issuer_pct": funds.issuer_pct,
    "lookthrough": funds.lookthrough,
    "vault": turns.vault,
    "pool": funds.pool,
    "oracle_age_s": funds.oracle_age_s,
    "oracle_round": funds.oracle_round,
    "sequencer_up": funds.sequencer_up,
    "base_fee_gwei": funds.base_fee_gwei,
    "estimate": own.estimate,
    "gas_history": own.gas_history,
    "rewards_accrued_usd": funds.rewards_accrued_usd,
    "aave": funds.aave,
    "allowances": funds.allowances,
    "token": turns.token,
    "contract": turns.contract,
    "code": codes.code,
    "registry": codes.registry,
    "history": shown.history,
    "simulation": shown.simulation,
    "spent_24h_usd": own.spent_24h_usd,
    "gas_24h_usd": own.gas_24h_usd,
    "pending": own.pending,
    "actions_last_hour": own.actions_last_hour,
    "reverted": own.reverted,
    "approvals": own.approvals,
    "decisions": own.decisions,
    "quote_age_s": own.quote_age_s,
    "kill_switch": own.kill_switch,
    "event": own.event,
    "disk": own.disk,
    "clock": own.clock,
    "rpc": own.rpc,
    "sanctions_list": own.sanctions_list,
    "sanctions_list_age_s": own.sanctions_list_age_s,
    "market": own.unread_by_wallet,
    "apy": own.unread_by_wallet,
    "next_step": own.next_step,
}


def realise(scene: Scene, given: Content, world: Content) -> None:
    """Makes all of it true. Raises Unrealised at the first word that cannot be."""
    if strange := sorted(set(given) - set(IN_ORDER) - TOGETHER):
        raise Unrealised(f"given: {', '.join(strange)}")
    if "world" in given:
        funds.world(scene, str(given["world"]), world)
    for word, handler in IN_ORDER.items():
        if word in given:
            handler(scene, given[word])
        if word == "lookthrough" and {"oracle", "dex"} & given.keys():  # before anything is taken from tokens that turn
            funds.prices(scene, given.get("oracle") or {}, given.get("dex") or {})
