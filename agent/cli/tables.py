"""Tables and lines for people. It prints what it is given and computes nothing but columns."""

import json as jsonlib
import math
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from strategies.domain import (
    Action,
    AddLiquidity,
    Amount,
    Approve,
    Assessment,
    Borrow,
    Claim,
    ClaimRewards,
    Collect,
    Deployment,
    Entire,
    Exchange,
    RemoveLiquidity,
    Repay,
    Revoke,
    SetCollateral,
    Shares,
    Stake,
    Staking,
    Supply,
    Swap,
    SwapFor,
    Transfer,
    Unstake,
    Unwrap,
    Withdraw,
    Wrap,
    figure,
    written,
)
from strategies.revocations import GrantRevocation, Lockdown, RevokeOperator, RevokePermit, RevokeToken
from strategies.units import GWEI
from wallets.wallet import Approved, Effects, Reason, Receipt

console: Final = Console(highlight=False, soft_wrap=True)


def say(text: str = "", style: str = "") -> None:
    """One line."""
    console.print(Text(text, style=style))


def step(number: int, title: str) -> None:
    """A heading of the story."""
    console.print()
    console.print(Text(f" {number} ", style="bold reverse"), Text(title, style="bold"))


def say_json(content: object) -> None:
    """One JSON document, for programs."""
    console.print(Text(jsonlib.dumps(content, sort_keys=True)), soft_wrap=True)


def percent(share: float) -> str:
    """A share of one, with two decimals; a dash where it is unknown."""
    return "–" if math.isnan(share) else f"{share:.2%}"


def action(what: Action) -> str:
    """One action in words."""
    match what:
        case Supply():
            return f"supply {written(what.amount)} to {what.market.id}"
        case Withdraw():
            return f"withdraw {_much(what.amount)} from {what.market.id}"
        case Borrow():
            return f"borrow {written(what.amount)} from {what.market.id}"
        case Repay():
            return f"repay {_much(what.amount)} to {what.market.id}"
        case Approve():
            return f"allow {what.spender} to take exactly {written(what.amount)}"
        case Revoke():
            return f"take every allowance of {what.asset.symbol} from {what.spender}"
        case RevokeOperator() | RevokeToken() | RevokePermit() | Lockdown():
            return _taken_back(what)
        case Transfer():
            return f"send {written(what.amount)} to {what.recipient}"
        case SetCollateral():
            return f"let what is in {what.market.id} back {'debts' if what.is_used else 'no debt'}"
        case ClaimRewards():
            return f"claim every reward of {what.market.id}"
        case Swap() | SwapFor() | AddLiquidity() | RemoveLiquidity() | Collect():
            return _exchange(what)
        case _:
            return _staking(what)


def _taken_back(what: GrantRevocation) -> str:
    match what:
        case RevokeOperator():
            return f"let {what.operator} no longer act for what is held in {what.collection}"
        case RevokeToken():
            return f"let nobody act for token {what.token_id} of {what.collection}"
        case RevokePermit():
            return f"take every allowance of {what.asset.symbol} from {what.spender} within {what.contract}"
        case Lockdown():
            pairs = ", ".join([f"of {asset.symbol} from {spender}" for asset, spender in what.pairs])
            return f"take every allowance {pairs} within {what.contract}"


def _exchange(what: Exchange) -> str:
    match what:
        case Swap():
            where = ", then ".join([pool.id for pool in (what.market, *what.via)])
            return f"swap {written(what.amount_in)} for at least {written(what.least_out)} in {where}"
        case SwapFor():
            return f"swap at most {written(what.most_in)} for exactly {written(what.amount_out)} in {what.market.id}"
        case AddLiquidity():
            where = f"range {what.into}" if isinstance(what.into, int) else f"ticks {what.into.lower} to {what.into.upper}"
            return f"lay at most {_both(what.most)} into {where} of {what.market.id}"
        case RemoveLiquidity():
            return f"take {what.liquidity_raw} of liquidity out of range {what.token_id} of {what.market.id}"
        case Collect():
            return f"collect what range {what.token_id} of {what.market.id} has earned"


def _staking(what: Staking) -> str:
    match what:
        case Stake():
            return f"stake {written(what.amount)} in {what.market.id}"
        case Unstake():
            return f"ask {what.market.id} to give back {written(what.amount)}"
        case Claim():
            return f"claim withdrawal {what.request_id} of {what.market.id}"
        case Wrap():
            return f"wrap {written(what.amount)} of {what.market.id}"
        case Unwrap():
            return f"unwrap {written(what.amount)} of {what.market.id}"


def _both(amounts: tuple[Amount, Amount]) -> str:
    return f"{written(amounts[0])} and {written(amounts[1])}"


def _much(what: Amount | Shares | Entire) -> str:
    match what:
        case Amount():
            return written(what)
        case Shares():
            return f"{what.raw} shares"
        case Entire():
            return "everything"


def markets(assessments: Sequence[Assessment], size: Amount, held: Sequence[str]) -> None:
    """The table of `observe`: what each market would earn for this size, or why not."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, side in (("market", "left"), ("supply APR", "right"), ("net APR", "right"), ("used", "right")):
        table.add_column(name, justify="right" if side == "right" else "left")
    table.add_column("can be withdrawn", justify="right")
    table.add_column("", justify="left")
    best = max((a.net_apr for a in assessments if not a.reasons), default=0.0)
    for one in assessments:
        note = "; ".join(one.reasons) or ("held" if one.market.id in held else "")
        style = "bold" if not one.reasons and one.net_apr == best else ("dim" if one.reasons else "")
        free = figure(one.withdrawable_raw // 10**one.market.asset.decimals, 0)
        row = (one.market.id, percent(one.supply_apr), percent(one.net_apr), percent(one.utilisation), free, note)
        table.add_row(*row, style=style)
    console.print(table)
    say(f"net: for {written(size)}, after its own effect on the rate and the gas of entering and leaving", "dim")


def effects(of: Effects, deployment: Deployment) -> None:
    """What the exact calls change, as the simulator says."""
    for change in of.changes:
        decimals = next((asset.decimals for asset in deployment.assets if asset.address == change.unit), None)
        text = figure(change.delta_raw, decimals) if decimals is not None else f"{change.delta_raw:,} units"
        say(f"    {'+' if change.delta_raw > 0 else ''}{text} {change.symbol}")
    for left in of.allowances:
        say(f"    allowance left: {left.raw} of {left.token} for {left.spender}", "red")
    if not of.allowances:
        say("    allowances left: none")


WANTED: Final = ("it needs nobody's yes", "it needs the yes of one operator", "it needs the yes of two different operators")


def verdict(of: Approved, actions: Iterable[Action | None], deployment: Deployment) -> None:
    """A plan that waits for a yes: decoded calls and simulated effects."""
    for call, decoded in zip(of.calls, actions, strict=True):
        say(f"    {action(decoded) if decoded else 'UNREADABLE'}   [{call.target[:10]}… {call.data[:4].hex()}]")
    say(f"  simulated at block {of.block}:")
    effects(of.effects, deployment)
    say(f"  {WANTED[of.people]}")
    say(f"  digest {of.digest}", "dim")


def refusal(reasons: Iterable[Reason]) -> None:
    """Every rule that was broken."""
    for reason in reasons:
        say(f"    {reason.rule}: {reason.text}")


def receipt(of: Receipt) -> None:
    """What was mined."""
    for mined in of.transactions:
        worked = "ok" if mined.succeeded else "reverted"
        price = mined.fee_wei / mined.gas_used / GWEI if mined.gas_used else 0.0
        say(f"    block {mined.block}  {mined.hash}  {worked}, {mined.gas_used:,} gas at {price:.3g} gwei")
    if of.note:
        say(f"    {of.note}", "red")
