"""`given` about what a simulation shows and what happened before. What it is said to show, the chain really does: storage
changes how a stand-in behaves. Refuses a behaviour that no stand-in has."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from agent.verify.attacks.given_wallet import SIMULATORS
from agent.verify.attacks.inputs import SYMBOL
from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.scene import Scene
from agent.verify.attacks.switches import VAULTS, WHOLE_BPS, bps_of, hook, switch

MOVED: Final = re.compile(r"Transfer (\$\w+) (\$\w+) ?-> ?(\$\w+) ([\d.]+)")
GRANTED: Final = re.compile(r"Approv\w* (\$\w+) (\$\w+) ?-> ?(\$\w+) ?(\S*)")
DEVIATES: Final = re.compile(r"(\w+?)_vs_\w+_(pct|wei|units|bps)")
ACCRUING_SECONDS: Final = 3_600
ROUNDING_ATTEMPTS: Final = 40
ROUNDING_RAW: Final = 2  # what the catalogue's policy calls rounding
SUPPLIED_RAW: Final = 10**9  # what its cases supply


def simulation(scene: Scene, value: Any) -> None:
    """What a simulation will show, because the chain will do it."""
    if value is None or value in ("none", "unavailable", "off"):
        value = {"status": "unavailable"}
    for kind, setting in value.items():
        _shows(scene, kind, setting, value)


def _shows(scene: Scene, kind: str, setting: Any, whole: Mapping[str, Any]) -> None:
    match kind, setting:
        case "block_age", _:
            _is_old(scene, int(setting), "now" in whole)
        case "now", str() if "revert" in setting:
            scene.later.append(lambda: _reverts(scene))
        case "now", str() if setting in ("same", "success"):
            pass
        case "status", "success":
            pass
        case "status", str() if re.search(r"revert|fail", setting):
            _reverts(scene)
        case "status", str():
            scene.faults |= dict.fromkeys(SIMULATORS, setting)
        case "diff", "empty":
            _idles(scene)
        case "diff", str():
            _extra(scene, setting)
        case "extra", str():
            _extra(scene, setting)
        case "atokens", _:
            _receipts_short(scene, -int(setting) % SUPPLIED_RAW)
        case _ if (found := DEVIATES.fullmatch(kind)) is not None:
            _deviates(scene, found[1], found[2], Decimal(str(setting)))
        case _:
            raise Unrealised(f"simulation: {kind} {setting!r} of {dict(whole)!r}")


def _is_old(scene: Scene, blocks: int, is_told: bool) -> None:
    """A verdict of so many blocks ago, where that is allowed or the case says what is so now; otherwise it is the first endpoint
    that is so old, and a second one is not."""
    if is_told or blocks <= int(scene.reference["simulation"]["max_block_age"]):
        scene.later.append(lambda: scene.pass_blocks(blocks))
    else:
        scene.faults["lag_blocks"], scene.second_faults = blocks, {}


def _target(scene: Scene) -> str:
    return scene.targets[-1] if scene.targets else ""


def _reverts(scene: Scene) -> None:
    target = _target(scene)
    if target in VAULTS:
        switch(scene, target, "reverts", 1)
    else:
        for symbol in ("$USDC", "$DAI", "$USDT"):
            switch(scene, symbol, "paused", 1)


def _idles(scene: Scene) -> None:
    target = _target(scene)
    if target in VAULTS:
        switch(scene, target, "idle", 1)
    elif target.removeprefix("$") in ("USDC", "USDT", "DAI", "WBTC", "WSTETH"):
        switch(scene, target, "returns_false", 1)
    else:
        raise Unrealised(f"simulation: {target} cannot do nothing here")


def _extra(scene: Scene, text: str) -> None:
    if re.search(r"accru|interest", text):
        scene.pass_seconds(ACCRUING_SECONDS)
    elif (moved := MOVED.search(text)) is not None:
        hook(scene, _moved_token(moved[1]), (moved[1], moved[2], moved[3], moved[4]))
    elif (granted := GRANTED.search(text)) is not None:
        amount = 2**256 - 1 if granted[4] in ("", "max", "unlimited") else scene.raw(scene.token(granted[1]), granted[4])
        if granted[1] != "$USDC":  # the token that the plan moves lets the other one do it
            hook(scene, "$USDC", (granted[1], "$WALLET", granted[3], "0"))
        scene.set(granted[1], "setGrant(address,uint256)", scene.address(granted[3]), amount)
    else:
        raise Unrealised(f"simulation: extra {text!r}")


def _moved_token(taken: str) -> str:
    """The token that the plan itself moves: through it the extra transfer comes."""
    return "$USDC" if taken != "$USDC" else "$DAI"


def _deviates(scene: Scene, what: str, unit: str, by: Decimal) -> None:
    """More or less than the intent, by parts or by base units."""
    what = re.sub(r"^(?:usdc|dai|usdt|weth|token)_", "", what).replace(
        "out", "spent" if _target(scene) != "$UNI_ROUTER" else "out"
    )
    target, bps = _target(scene), bps_of(by) if unit == "pct" else int(by) if unit == "bps" else None
    match what:
        case "amount_out" | "out" | "received" | "proceeds" | "amount" if scene.traded is not None and bps is not None:
            given, got = (scene.token(symbol) for symbol in scene.traded)
            rate = scene.price_usd(given.symbol) / scene.price_usd(got.symbol)
            scene.move_pool(given, got, rate * (WHOLE_BPS + bps) / WHOLE_BPS)
        case "shares" if target in VAULTS and bps is not None:
            switch(scene, target, "shares_bps", WHOLE_BPS + bps)
        case "assets" | "received" | "proceeds" if target in VAULTS and bps is not None:
            switch(scene, target, "pays_bps", WHOLE_BPS + bps)
        case "received" | "atokens" | "shares" | "amount" if by < 0 and bps is not None:
            switch(scene, "$USDC", "fee_bps", -bps)
        case "shares" if target in VAULTS and by <= 0:
            switch(scene, target, "shares_short", -int(by))
        case "atokens" | "shares" | "received" if target == "$AAVE_POOL" and bps is None and by < 0:
            _receipts_short(scene, -int(by))
        case "spent" | "outflow" | "sent" if by > 0 and bps is None:
            switch(scene, "$USDC", "drop_raw", int(by))
        case "spent" | "outflow" | "sent" if by > 0 and bps is not None:
            switch(scene, "$USDC", "drop_bps", bps)
        case _:
            raise Unrealised(f"simulation: {what} {by} {unit} at {target}")


def _receipts_short(scene: Scene, raw: int) -> None:
    """So few that the pool's own rounding does it; more are taken away by the token that is supplied."""
    if raw <= ROUNDING_RAW:
        _rounded(scene, SUPPLIED_RAW - raw)
        return
    receipt, takers = scene.address("$AUSDC"), (scene.wallet, scene.address("$ATTACKER_C"))
    scene.allow(receipt, scene.address("$USDC"), raw)
    scene.set("$USDC", "setHook(address,address,address,uint256)", receipt, *takers, raw)


def _rounded(scene: Scene, wanted_raw: int) -> None:
    """Time passes until the pool's own rounding gives a supply of a little more exactly so much in receipts."""
    supplied = -(-wanted_raw // 10**6) * 10**6
    for _ in range(ROUNDING_ATTEMPTS):
        snapshot = scene.node.snapshot()
        before = scene.supplied("$AAVE_POOL", scene.token("USDC"))
        scene.supply("$AAVE_POOL", scene.token("USDC"), supplied)
        grown = scene.supplied("$AAVE_POOL", scene.token("USDC")) - before
        scene.node.revert(snapshot)
        if grown == wanted_raw:
            return
        scene.pass_seconds(1)
    scene.notes.append(f"no second of {ROUNDING_ATTEMPTS} gave {wanted_raw} receipts; the last one is used")


def history(scene: Scene, value: Any) -> None:
    """What happened before: dust from addresses that look like ours."""
    for said in value if isinstance(value, list) else [value]:
        text = " ".join(map(str, said.values())) if isinstance(said, Mapping) else str(said)
        senders = [symbol for symbol in SYMBOL.findall(text) if symbol not in ("$WALLET", "$USDC", "$DAI", "$USDT")]
        if not senders:
            raise Unrealised(f"history: {text!r}")
        for symbol in senders:
            scene.set("$USDC", "mint(address,uint256)", scene.address(symbol), 1)
            scene.act(scene.address(symbol), "$USDC", "transfer(address,uint256)", scene.wallet, 0)
            scene.act(scene.address(symbol), "$USDC", "transfer(address,uint256)", scene.wallet, 1)
