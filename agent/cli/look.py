"""Looking without touching: the markets now, and one past decision."""

import json as jsonlib
import math
from pathlib import Path

from agent.cli import history, tables
from agent.cli.session import opened, recalled
from strategies.assess import assess, held_raw
from strategies.domain import Amount, written
from strategies.errors import UnknownName


def observe(config: Path, *, as_json: bool) -> None:
    """Each market of the asset for the size that is held."""
    with opened(config) as session:
        seen = session.feed().observe()
        asset, gate = session.decide.asset, session.decide.gate
        size = Amount(asset, held_raw(seen, asset))
        found = assess(seen, asset, size, horizon_seconds=gate.horizon_seconds, lookback_seconds=gate.lookback_seconds)
    held = [claim.market.id for claim in seen.portfolio.positions if claim.shares_raw]
    if as_json:
        rows = [
            {
                "market": one.market.id,
                "supply_apr": _number(one.supply_apr),
                "net_apr": _number(one.net_apr),
                "utilisation": _number(one.utilisation),
                "withdrawable_raw": str(one.withdrawable_raw),
                "held": one.market.id in held,
                "reasons": list(one.reasons),
            }
            for one in found
        ]
        tables.say_json({"block": seen.block, "timestamp": seen.timestamp, "size_raw": str(size.raw), "markets": rows})
        return
    tables.say(f"block {seen.block}, {written(size)} in all")
    tables.markets(found, size, held)


def explain(config: Path, cycle: str, *, mode: str, as_json: bool) -> None:
    """One cycle's lines of the journal; needs neither chain nor keeper."""
    with recalled(config, mode) as session:
        cycles = list(dict.fromkeys(str(jsonlib.loads(line)["content"].get("cycle", "")) for line in session.journal.lines))
        known = [name for name in cycles if name]
        wanted = known[-1] if cycle == "last" and known else cycle
        if wanted not in known:
            raise UnknownName(kind="cycle", name=cycle, known=tuple(known[-5:]) or ("none yet; `usufruct run` makes one",))
        told = history.lines_of(session, wanted)
        if as_json:
            tables.say_json(told)
            return
        tables.say(f"cycle {wanted}", "bold")
        for line in told:
            history.tell(session, line)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
