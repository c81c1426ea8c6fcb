"""What the journal says of a cycle, for people: seen, chosen, judged, signed, booked. Refuses to call a refusal a success."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from agent.cli import tables
from agent.cli.session import Session
from strategies.decide import Decision
from strategies.domain import Keep, figure
from strategies.errors import NotApproved
from strategies.protocols import registry
from strategies.units import GWEI, WAD
from wallets import wire
from wallets.wallet import Receipt, Refused, Verdict

Content = Mapping[str, Any]
TITLES: Final = {
    "observation": "seen",
    "decision": "decided",
    "verdict": "judged",
    "receipt": "done",
    "entry": "booked",
    "held": "ended early",
    "prediction": "predicted",
}


def lines_of(session: Session, cycle: str) -> list[Content]:
    """A cycle's lines, oldest first."""
    lines = (json.loads(line) for line in session.journal.lines)
    return [line for line in lines if line["content"].get("cycle") == cycle]


def outcome(session: Session, cycle: str) -> None:
    """What became of an approved plan. Raises NotApproved where it was not carried out."""
    told = {line["kind"]: line["content"] for line in lines_of(session, cycle)}
    if "receipt" not in told:
        raise NotApproved(f"not carried out: {told.get('held', {}).get('reason', 'see `usufruct explain`')}")
    tables.say("  approved and carried out:", "bold green")
    tables.receipt(_receipt(told["receipt"]))


def tell(session: Session, line: Content) -> None:
    """One line as a person reads it."""
    kind, content = line["kind"], line["content"]
    at = datetime.fromtimestamp(line["at"], UTC).strftime("%Y-%m-%d %H:%M:%S") if line["at"] else ""
    if kind != "entry":
        tables.say(f"{TITLES.get(kind, kind)}  {at}", "bold")
    match kind:
        case "observation" if "seen" in content:  # an earlier version wrote it otherwise
            _observation(session, content)
        case "decision":
            _decision(wire.from_text(Decision, _text(content)))
        case "verdict":
            _verdict(session, content)
        case "receipt":
            tables.receipt(_receipt(content))
        case "entry":
            _entry(session, content)
        case _:
            tables.say("    " + ", ".join(f"{key}: {value}" for key, value in content.items() if key != "cycle"))


def _observation(session: Session, content: Content) -> None:
    seen = content["seen"]
    tables.say(f"    block {seen['block']}, base fee {int(seen['base_fee_wei']) / GWEI:.3g} gwei")
    assets = {asset.symbol: asset for asset in session.deployment.assets}
    for symbol, raw in content["held"]["idle"].items():
        if int(raw):
            tables.say(f"    idle {figure(int(raw), assets[symbol].decimals)} {symbol}")
    for market_id, (shares, debt) in content["held"]["claims"].items():
        tables.say(f"    holds {int(shares):,} shares of {market_id}" + (f", owes {int(debt):,} there" if int(debt) else ""))
    for market, apr_ppm in zip(session.deployment.markets, seen["supply_apr_ppm"], strict=True):
        if market.asset == session.decide.asset:
            tables.say(f"    {market.id} pays {'nothing that could be read' if apr_ppm is None else f'{int(apr_ppm) / 1e6:.2%}'}")


def _decision(decision: Decision) -> None:
    tables.say(f"    {decision.choice.strategy}, {decision.choice.stance}: {decision.choice.reason}")
    if not isinstance(decision.target, Keep):
        for leg in decision.target.legs:
            tables.say(f"    wants {leg.weight_wad / WAD:.2%} in {leg.market.id if leg.market else 'idle'}")
    tables.say(f"    {'a plan' if decision.plan else 'no plan'}: {decision.reason}")
    for action in decision.plan.actions if decision.plan else ():
        tables.say(f"      {tables.action(action)}")


def _verdict(session: Session, content: Content) -> None:
    verdict = wire.from_text(Verdict, _text(content))
    if isinstance(verdict, Refused):
        tables.say("    REFUSED", "bold red")
        tables.refusal(verdict.reasons)
        return
    account = session.settings.policy.account
    actions = [registry.parse(call, account, session.deployment) for call in verdict.calls]
    tables.verdict(verdict, actions, session.deployment)


def _entry(session: Session, content: Content) -> None:
    assets = {asset.symbol: asset for asset in session.deployment.assets}
    legs = [f"{account} {figure(int(raw), assets[symbol].decimals)} {symbol}" for account, symbol, raw in content["legs"]]
    tables.say(f"booked  {content['memo']}: {', '.join(legs)}")


def _receipt(content: Content) -> Receipt:
    return wire.from_text(Receipt, _text(content))


def _text(content: Content) -> str:
    return wire.canonical({key: value for key, value in content.items() if key != "cycle"})
