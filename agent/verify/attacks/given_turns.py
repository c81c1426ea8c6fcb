"""`given` about contracts that turn: how tokens behave, what vaults hold and say, and contracts with two faces. Refuses a
behaviour that no stand-in has."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from agent.devnet.contracts import read_integer
from agent.verify.attacks.given_code import as_plain, as_proxy, code
from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.scene import Scene
from agent.verify.attacks.switches import VAULTS, WHOLE_BPS, bps_of, hook, switch, thief

HOOK: Final = re.compile(r"transferFrom\((\$\w+), ?(\$\w+), ?(\$\w+), ?([\d.]+)\)")
FACES: Final[Mapping[str, int]] = {
    "tx.gasprice": 1,
    "block.coinbase": 2,
    "block.basefee": 4,
    "block.prevrandao": 8,
    "block.difficulty": 8,
    "blockhash": 16,
    "tx.origin": 32,
    "gasleft": 64,
}

FLAGS: Final[Mapping[str, tuple[str, Callable[[Any], int]]]] = {
    "fee_bps": ("fee_bps", int),
    "fee_pct": ("fee_bps", bps_of),
    "drop_bps": ("drop_bps", int),
    "balance_drop_pct": ("drop_bps", lambda percent: abs(bps_of(percent))),
    "paused": ("paused", int),
    "transfer_returns": ("returns_false", lambda honest: int(not honest)),
    "balance_drop": ("drop_bps", lambda percent: abs(bps_of(str(percent).strip(" %")))),
    "rebase_pct": ("drop_bps", lambda percent: abs(bps_of(percent))),
    "approve_noop": ("idle_approve", int),
    "noop_approve": ("idle_approve", int),
}


def token(scene: Scene, value: Mapping[str, Any]) -> None:
    """How a token behaves."""
    for symbol, content in value.items():
        name = f"${scene.token(symbol).symbol}"
        for kind, setting in content.items():
            flag = _flag(kind, setting)
            if flag is not None:
                switch(scene, name, *flag)
            else:
                _token_does(scene, name, kind, setting)


def _flag(kind: str, setting: Any) -> tuple[str, int] | None:
    """The one setting that makes a token behave so; None where it takes more."""
    if kind == "approve" and re.search(r"no.?op|nothing|ignored", str(setting)):
        return "idle_approve", 1
    if kind not in FLAGS:
        return None
    name, convert = FLAGS[kind]
    return name, convert(setting)


def _token_does(scene: Scene, symbol: str, kind: str, setting: Any) -> None:
    match kind, setting:
        case "hook", str() if (found := HOOK.search(setting)) is not None:
            hook(scene, symbol, (found[1], found[2], found[3], found[4]))
        case "blacklisted", list():
            for account in setting:
                scene.set(symbol, "setBlackListed(address,bool)", scene.address(account), True)
        case (("sell_reverts" | "sell" | "honeypot"), _) if setting is True or "revert" in str(setting):
            for pair, pool in scene.ground.pools.items():
                if symbol.removeprefix("$") in pair:
                    scene.set(symbol, "setCannotReceive(address,bool)", pool, True)
        case "decimals" | "decimals_now", _:
            _decimals(scene, symbol, setting["now"] if isinstance(setting, Mapping) else setting)
        case (("pinned" | "decimals_pinned" | "pinned_decimals"), _) if int(setting) == scene.token(symbol).decimals:
            pass
        case "transfer" | "transferFrom", str() if re.search(r"false|revert", setting):
            switch(scene, symbol, "returns_false" if "false" in setting else "paused", 1)
        case "proxy", bool():
            (as_proxy if setting else as_plain)(scene, symbol)
        case "implementation", _:
            code(scene, {symbol: {"slot_1967": setting}})
        case _:
            raise Unrealised(f"token {symbol}: {kind} {setting!r}")


def _decimals(scene: Scene, symbol: str, now: Any) -> None:
    known = scene.token(symbol)
    described = (known.name, known.symbol, int(now))
    scene.after_pins.append(lambda: scene.set(symbol, "describe(string,string,uint8)", *described))


def vault(scene: Scene, value: Mapping[str, Any]) -> None:
    """A vault's share price, supply, and what it says."""
    for symbol, content in value.items():
        if symbol not in VAULTS:
            raise Unrealised(f"vault {symbol}")
        for kind, setting in content.items():
            _vault_has(scene, symbol, kind, setting)


def _vault_has(scene: Scene, symbol: str, kind: str, setting: Any) -> None:
    asset = scene.token(symbol.removeprefix("$MM_VAULT_"))
    address, token_address = scene.address(symbol), scene.address(f"${asset.symbol}")
    held = scene.balance(token_address, address)
    match kind:
        case "share_price":
            shares = read_integer(scene.node, address, "totalSupply()")
            one = 10 ** (read_integer(scene.node, address, "decimals()") - asset.decimals)
            scene.set(symbol, "setElsewhere(uint256)", 0)
            _vault_holds(scene, symbol, int(Decimal(str(setting)) * shares / one), held)
        case "total_assets":
            _vault_holds(scene, symbol, scene.raw(asset, setting), held)
        case "total_supply_raw" | "total_supply":
            for holder in (scene.wallet, scene.ground.yard.actors["lender"]):
                scene.set(symbol, "setSupply(address,uint256)", holder, 0)
            scene.set(symbol, "setSupply(address,uint256)", scene.ground.yard.actors["stranger"], int(setting))
            switch(scene, symbol, "plain", 1)
        case "preview_deposit_shares" if int(setting) == 0:
            pass  # follows from the supply and the assets
        case "paused" | "deposit_reverts" | "withdraw_reverts" if setting is True:
            switch(scene, symbol, "reverts", 1)
        case "deposit" | "deposits" | "withdraw" | "withdrawals" | "redeem" if re.search(r"paus|revert|fail|off", str(setting)):
            switch(scene, symbol, "reverts", 1)
        case "cap" | "max_deposit" | "deposit_cap":
            switch(scene, symbol, "cap", max(held + scene.raw(asset, setting), 1))
        case "fee_bps" | "deposit_fee_bps":
            switch(scene, symbol, "shares_bps", WHOLE_BPS - int(setting))
        case "withdraw_fee_bps" | "exit_fee_bps":
            switch(scene, symbol, "pays_bps", WHOLE_BPS - int(setting))
        case "liquidity" | "idle_assets" | "available":
            _vault_holds(scene, symbol, scene.raw(asset, setting), held)
            scene.set(symbol, "setElsewhere(uint256)", max(held - scene.raw(asset, setting), 0))
        case _:
            raise Unrealised(f"vault {symbol}: {kind} {setting!r}")


def _vault_holds(scene: Scene, symbol: str, raw: int, held: int) -> None:
    asset = f"${symbol.removeprefix('$MM_VAULT_')}"
    if raw > held:
        scene.set(asset, "mint(address,uint256)", scene.address(symbol), raw - held)
    elif raw < held:
        scene.set(asset, "burn(address,uint256)", scene.address(symbol), held - raw)


def contract(scene: Scene, value: Mapping[str, Any]) -> None:
    """What a contract calls itself, and two faces."""
    for symbol, content in value.items():
        if "if" in content:
            _two_faces(scene, symbol, content)
        elif symbol.startswith("$") and set(content) <= {"name", "symbol", "asset"}:
            asset = scene.address(content["asset"]) if "asset" in content else scene.address("$USDC")
            scene.set(symbol, "describe(string,string,address)", "Steakhouse USDC", "steakUSDC", asset)
        else:
            raise Unrealised(f"contract {symbol}: {content!r}")


def _two_faces(scene: Scene, symbol: str, content: Mapping[str, Any]) -> None:
    """Honest where the condition holds, which is what a careless simulation looks like, and dishonest on the chain."""
    if symbol not in VAULTS or set(content) != {"if", "then", "else"} or "honest" not in (content["then"], content["else"]):
        raise Unrealised(f"contract {symbol}: {content!r}")
    said, otherwise = str(content["if"]), content["else"] if content["then"] == "honest" else content["then"]
    faces = sum(bit for words, bit in FACES.items() if words in said and bit in {bit})
    parts = [part for part in re.split(r"\|\||&&|\bor\b", said) if part.strip()]
    if not faces or len(parts) > bin(faces).count("1"):
        raise Unrealised(f"contract {symbol}: if {said!r}")
    switch(scene, symbol, "faces", faces)
    _cheats(scene, symbol, str(otherwise))


def _cheats(scene: Scene, symbol: str, how: str) -> None:
    if (found := re.search(r"skim\D*([\d.]+) ?%", how)) is not None:
        thief(scene, symbol)
        switch(scene, symbol, "skim_bps", bps_of(found[1]))
    elif re.search(r"keep|steal|take.*all|no shares", how):
        switch(scene, symbol, "skim_bps", WHOLE_BPS)
        thief(scene, symbol)
    elif "revert" in how:
        switch(scene, symbol, "reverts", 1)
    else:
        raise Unrealised(f"contract {symbol}: else {how!r}")
