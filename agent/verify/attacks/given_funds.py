"""`given` about funds and prices: balances, positions, debts, shares of the portfolio, oracles, pools, gas.

Refuses what this world has no way to make true."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from agent.devnet.contracts import read_integer
from agent.devnet.markets import Token
from agent.verify.attacks.ground import DAI, POOLS, TOKENS, USDC, WETH, create_pool
from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.policy import off
from agent.verify.attacks.scene import ETH, GWEI, PROTOCOLS, USD_E8, VARIABLE, Scene

NAV_USD: Final = Decimal(100_000)
QUOTED: Final = re.compile(r"([A-Z]+)_out_per_(\d+)_([A-Z]+)")
REGISTERED: Final = re.compile(r"([A-Z]+)/([A-Z]+)(?: [\d.]+ ?%)? registered")
VAULTS: Final[Mapping[str, Token]] = {"$MM_VAULT_USDC": USDC, "$MM_VAULT_WETH": WETH, "$COMET_USDC": USDC, "$AAVE_POOL": USDC}
ISSUED: Final[Mapping[str, str]] = {
    "circle": "USDC",
    "tether": "USDT",
    "sky": "DAI",
    "maker": "DAI",
    "bitgo": "WBTC",
    "lido": "WSTETH",
}
POOL_WORDS: Final = frozenset({"tokens", "pair", "fee", "fee_pips", "depth_usd", "depth", "owner", "liquidity_owner", "lp"})
PIPS_PERCENT: Final = 10_000
UNREACHABLE: Final = 10**15  # whole units: a cap that never binds


def wallet(scene: Scene, value: Mapping[str, Any]) -> None:
    """Balances in human units; what is not named stays."""
    for symbol, human in value.items():
        scene.hold(symbol, human)


def allowances(scene: Scene, value: list[list[Any]]) -> None:
    """Old allowances: token, spender, human amount."""
    for symbol, spender, human in value:
        token = scene.token(symbol)
        raw = 2**256 - 1 if str(human) in ("max", "unlimited") else scene.raw(token, human)
        scene.allow(scene.address(f"${token.symbol}"), scene.address(spender), raw)


def positions(scene: Scene, value: Mapping[str, Any]) -> None:
    """What is supplied and owed, exactly; protocols and tokens that are not named stay."""
    for name, claim in value.items():
        place = _place(name)
        for kind, content in claim.items():
            _claim(scene, place, kind, content)


def _claim(scene: Scene, place: str, kind: str, content: Any) -> None:
    match kind:
        case "supplied":
            for symbol, human in content.items():
                token = scene.token(symbol)
                scene.have_supplied(place, token, scene.raw(token, human))
        case "assets":
            scene.have_supplied(place, VAULTS[place], scene.raw(VAULTS[place], content))
        case "debt" if place == "$AAVE_POOL":
            for symbol, human in content.items():
                token = scene.token(symbol)
                scene.owe(token, scene.raw(token, human))
        case "collateral_enabled" if content is True:
            pass  # the pool counts a first supply by itself
        case "collateral_enabled" if content is False:
            for token in TOKENS:
                if scene.supplied(place, token):
                    switched = (scene.address(f"${token.symbol}"), False)
                    scene.act(scene.wallet, place, "setUserUseReserveAsCollateral(address,bool)", *switched)
        case "liquidation_threshold":
            _same_threshold(scene, Decimal(str(content)))
        case _:
            raise Unrealised(f"positions: {kind} {content!r} at {place}")


def _same_threshold(scene: Scene, wanted: Decimal) -> None:
    configuration = read_integer(scene.node, scene.address("$AAVE_POOL"), "getConfiguration(address)", scene.address("$WETH"))
    if configuration >> 16 & 0xFFFF != int(wanted * 10_000):
        raise Unrealised(f"the pool's threshold of WETH is {configuration >> 16 & 0xFFFF} bps, not {wanted}")


def _place(name: str) -> str:
    place = PROTOCOLS.get(name, name)
    if place not in VAULTS:
        raise Unrealised(f"{name!r} is no protocol of this world")
    return place


def world(scene: Scene, value: str, overlays: Mapping[str, Any]) -> None:
    """An overlay of the catalogue's own."""
    overlay = overlays.get(value)
    if not isinstance(overlay, Mapping) or value == "default":
        raise Unrealised(f"world {value!r}")
    for key, content in overlay.items():
        match key:
            case "overlay_on" | "health_factor":
                pass
            case "wallet":
                wallet(scene, content)
            case "positions":
                for name in content:
                    if _place(name) == "$AAVE_POOL":
                        _leave_pool(scene)
                positions(scene, content)
            case "concentration" if str(content).startswith("off"):
                scene.reference["concentration_pct"] = off(scene.reference["concentration_pct"])
            case _:
                raise Unrealised(f"world {value}: {key}")


def _leave_pool(scene: Scene) -> None:
    for token in TOKENS:
        scene.owe(token, 0)
    for token in TOKENS:
        if scene.supplied("$AAVE_POOL", token):
            address, nobody = scene.address(f"${token.symbol}"), scene.ground.yard.actors["stranger"]
            scene.act(scene.wallet, "$AAVE_POOL", "withdraw(address,uint256,address)", address, 2**256 - 1, nobody)


def exposure_pct(scene: Scene, value: Mapping[str, Any]) -> None:
    """Shares of the hundred thousand: what goes into a protocol leaves idle USDC, what goes into an asset leaves another."""
    for name, percent in value.items():
        usd = NAV_USD * Decimal(str(percent)) / 100
        if name in PROTOCOLS:
            _share_of_place(scene, _place(name), usd)
    for name, percent in value.items():
        if name not in PROTOCOLS:
            _share_of_asset(scene, name, NAV_USD * Decimal(str(percent)) / 100)


def _share_of_place(scene: Scene, place: str, usd: Decimal) -> None:
    token = VAULTS[place]
    price = Decimal(token.usd_e8) / USD_E8
    more_raw = scene.raw(token, usd / price) - scene.supplied(place, token)
    idle_raw = scene.balance(scene.address(f"${token.symbol}"), scene.wallet)
    if more_raw > idle_raw and place == "$AAVE_POOL":  # the rest in another asset
        _share_in_dai(scene, place, more_raw - idle_raw)
        more_raw = idle_raw
    if more_raw > idle_raw:  # the rest is bought, from what is idle besides
        _exchange(scene, token, more_raw, DAI, Decimal(more_raw - idle_raw) / 10**token.decimals * price)
        idle_raw = more_raw
    scene.have_supplied(place, token, scene.supplied(place, token) + more_raw)
    scene.hold(token.symbol, Decimal(idle_raw - more_raw) / 10**token.decimals)


def _share_in_dai(scene: Scene, place: str, short_usdc_raw: int) -> None:
    raw = short_usdc_raw * 10 ** (DAI.decimals - USDC.decimals)
    idle_raw = scene.balance(scene.address("$DAI"), scene.wallet)
    if raw > idle_raw:
        raise Unrealised(f"{place}: the wallet has not so much to supply")
    scene.supply(place, DAI, raw)
    scene.hold("DAI", Decimal(idle_raw - raw) / 10**DAI.decimals)


def _share_of_asset(scene: Scene, name: str, usd: Decimal) -> None:
    """So much of one asset, in exchange for another that is idle."""
    symbol = "WETH" if name in ("ETH-like", "ETH", "$ETH") else scene.token(name).symbol
    token = scene.token(symbol)
    price = Decimal(token.usd_e8) / USD_E8
    elsewhere = sum(scene.supplied(place, held) for place, held in VAULTS.items() if held is token)
    native = scene.ether_wei if symbol == "WETH" else 0
    wanted = scene.raw(token, usd / price) - elsewhere - native
    idle_raw = scene.balance(scene.address(f"${symbol}"), scene.wallet)
    if wanted < 0:
        raise Unrealised(f"exposure_pct {name}: more than that is in protocols already")
    change_usd = Decimal(wanted - idle_raw) / 10**token.decimals * price
    other = next(one for one in ((DAI, WETH, USDC) if change_usd > 0 else (DAI,)) if one is not token)
    _exchange(scene, token, wanted, other, change_usd)


def _exchange(scene: Scene, token: Token, wanted_raw: int, other: Token, usd: Decimal) -> None:
    price = Decimal(other.usd_e8) / USD_E8
    left = Decimal(scene.balance(scene.address(f"${other.symbol}"), scene.wallet)) / 10**other.decimals - usd / price
    if left < 0 and other is USDC:
        raise Unrealised(f"the wallet has not so much to have {wanted_raw} of {token.symbol}")
    if left < 0:
        rest = WETH if other is DAI and token is not WETH else USDC  # never back and forth
        scene.hold(other.symbol, 0)
        _exchange(scene, token, wanted_raw, rest, -left * price)
        return
    scene.hold(other.symbol, left)
    scene.hold(token.symbol, Decimal(wanted_raw) / 10**token.decimals)


def issuer_pct(scene: Scene, value: Mapping[str, Any]) -> None:
    """What one issuer answers for, by having so much of its asset."""
    for name, percent in value.items():
        known = next((symbol for issuer, symbol in ISSUED.items() if issuer in name.lower()), None)
        symbol = known or scene.token(name.split()[0]).symbol
        _share_of_asset(scene, symbol, NAV_USD * Decimal(str(percent)) / 100)


def lookthrough(scene: Scene, value: Mapping[str, Any]) -> None:
    """What a vault lends to: the deployment says it, and the vault counts in full."""
    for vault, inside in value.items():
        for protocol in inside:
            asset = VAULTS[_place(vault)].symbol
            if _place(protocol) != "$AAVE_POOL" and _place(protocol) != "$COMET_USDC":
                raise Unrealised(f"lookthrough: {vault} into {protocol}")
            market = f"aave_v3:{asset}" if _place(protocol) == "$AAVE_POOL" else f"comet:{asset}"
            scene.wraps.setdefault(vault, []).append(market)


def prices(scene: Scene, oracles: Mapping[str, Any], exchange: Mapping[str, Any]) -> None:
    """What feeds and pools say. A pool follows its oracles where the case says nothing else of it."""
    for symbol, usd in oracles.items():
        scene.oracle(symbol, usd)
    said = {token.symbol: Decimal(token.usd_e8) / USD_E8 for token in TOKENS} | scene.prices
    moved = set(scene.prices)
    for name, value in exchange.items():
        if name.startswith("$") or name == ETH:
            token = WETH if name == ETH else scene.token(name)
            said[token.symbol] = Decimal(str(value))
            moved.add(token.symbol)
    for one, other, _ in POOLS if moved else ():
        if {one.symbol, other.symbol} & moved:
            scene.move_pool(one, other, said[one.symbol] / said[other.symbol])
    for name, value in exchange.items():
        if not name.startswith("$") and name != ETH:
            _quoted(scene, name, value)


def _quoted(scene: Scene, name: str, value: Any) -> None:
    if (found := QUOTED.fullmatch(name)) is not None:
        given, got = scene.token(found[3]), scene.token(found[1])
        scene.move_pool(given, got, Decimal(str(value)) / Decimal(found[2]))
    elif name == "pool" and (registered := REGISTERED.fullmatch(str(value))) is not None:
        wanted = {registered[1], registered[2]}
        found_pools = [pool for pool in POOLS if {pool[0].symbol, pool[1].symbol} == wanted]
        if not found_pools:
            raise Unrealised(f"dex: there is no pool {value}")
        scene.pools += [pool for pool in found_pools if pool not in scene.pools]
    else:
        raise Unrealised(f"dex: {name} {value!r}")


def pool(scene: Scene, value: Mapping[str, Any]) -> None:
    """Another pool: its fee, how deep it is, and whose its liquidity is (the attacker's is as deep, and as quickly gone)."""
    for name, content in value.items() if all(isinstance(one, Mapping) for one in value.values()) else (("", value),):
        pair = re.findall(r"[A-Z]+", str(content.get("tokens", content.get("pair", name))))
        if len(pair) not in (0, 2) or set(content) - POOL_WORDS:
            raise Unrealised(f"pool: {name} {content!r}")
        one, other = [scene.token(symbol) for symbol in pair] or (USDC, WETH)  # the pair that most is traded in
        said = str(content.get("fee", content.get("fee_pips", 10_000)))
        fee = int(Decimal(said.rstrip(" %")) * PIPS_PERCENT) if said.endswith("%") else int(said)
        depth = int(float(content.get("depth_usd", content.get("depth", 10_000))))
        if (one, other, fee) in POOLS or (other, one, fee) in POOLS:
            raise Unrealised(f"pool: {name} is one of the deep ones")
        create_pool(scene.ground.yard, scene.address("$UNI_NFT"), (one, other, fee), depth)


def oracle_age_s(scene: Scene, value: Any) -> None:
    """How long ago feeds were updated: one figure for all, or by token."""
    ages = value if isinstance(value, Mapping) else dict.fromkeys(scene.ground.feeds, value)
    for symbol, seconds in ages.items():
        _set_feed(scene, symbol, "setAge(uint256)", int(seconds))


def oracle_round(scene: Scene, value: Mapping[str, Any]) -> None:
    """Raw fields of a round, of one token's feed or of all."""
    is_by_token = all(name.startswith("$") or name == ETH for name in value)
    by_token = value if is_by_token else dict.fromkeys(scene.ground.feeds, value)
    for symbol, fields in by_token.items():
        for name, raw in fields.items():
            _set_round(scene, symbol, name, raw, fields)


def _set_round(scene: Scene, symbol: str, name: str, raw: Any, fields: Mapping[str, Any]) -> None:
    match name:
        case "answer":
            _set_feed(scene, symbol, "setAnswer(int256)", int(raw))
        case "roundId" | "answeredInRound":
            round_id, said = int(fields.get("roundId", 100)), str(fields.get("answeredInRound", fields.get("roundId", 100)))
            before = re.fullmatch(r"roundId ?- ?(\d+)", said)
            answered = int(said) if before is None else round_id - int(before[1])
            _set_feed(scene, symbol, "setRound(uint80,uint80)", round_id, answered)
        case "updatedAt":
            _set_feed(scene, symbol, "setUpdatedAt(uint256)", _time(scene, raw))
        case "startedAt":
            _set_feed(scene, symbol, "setStartedAt(uint256)", _time(scene, raw))
        case "decimals":
            _set_feed(scene, symbol, "setDecimals(uint8)", int(raw))
        case _:
            raise Unrealised(f"oracle_round: {name}")


def _time(scene: Scene, raw: Any) -> int:
    return scene.now() + int(raw["now"]) if isinstance(raw, Mapping) and set(raw) == {"now"} else int(raw)


def _set_feed(scene: Scene, symbol: str, signature: str, *arguments: object) -> None:
    name = symbol.removeprefix("$")
    token = WETH if name == ETH else scene.token(name)
    scene.ground.yard.administer(scene.ground.feeds[token.symbol], signature, *arguments)


def sequencer_up(scene: Scene, value: Any) -> None:
    """Whether the sequencer runs, and since when."""
    if (said := re.fullmatch(r"(?:up )?since (\d+) s", str(value))) is not None:
        value = {"up": True, "since_s": said[1]}
    is_up = value.get("up", True) if isinstance(value, Mapping) else value
    since = value.get("since_s") if isinstance(value, Mapping) else None
    if not isinstance(is_up, bool) or (isinstance(value, Mapping) and set(value) - {"up", "since_s"}):
        raise Unrealised(f"sequencer_up: {value!r}")
    administer = scene.ground.yard.administer
    administer(scene.ground.sequencer, "setAnswer(int256)", 0 if is_up else 1)
    if since is not None or not is_up:
        administer(scene.ground.sequencer, "setStartedAt(uint256)", scene.now() - int(since or 60))


def base_fee_gwei(scene: Scene, value: Any) -> None:
    scene.base_fee_wei = int(Decimal(str(value)) * GWEI)


def rewards_accrued_usd(scene: Scene, value: Any) -> None:
    """What the rewards controller owes, in DAI."""
    raw = scene.raw(DAI, value)
    scene.set("$DAI", "mint(address,uint256)", scene.address("$REWARDS"), raw)
    scene.set("$REWARDS", "accrue(address,address,uint256)", scene.wallet, scene.address("$DAI"), raw)


def aave(scene: Scene, value: Mapping[str, Any]) -> None:
    """What the pool's administrators have decided of a reserve, or of all."""
    named = {symbol: content for symbol, content in value.items() if isinstance(content, Mapping)}
    for name, content in value.items():
        if name not in named:
            named |= {f"${token.symbol}": {name: content} for token in TOKENS}
    for symbol, content in named.items():
        token = scene.token(symbol)
        caps = {f"{kind}_cap": cap for kind, cap in content.get("caps", {}).items()}
        for kind, setting in {**content, **caps}.items():
            _decided(scene, token, kind, setting)


def _decided(scene: Scene, token: Token, kind: str, setting: Any) -> None:
    configurator, address = scene.ground.admin["configurator"], scene.address(f"${token.symbol}")
    administer = scene.ground.yard.administer
    match kind:
        case "frozen" | "paused" if isinstance(setting, bool):
            signature = "setReserveFreeze(address,bool)" if kind == "frozen" else "setReservePause(address,bool)"
            administer(configurator, signature, address, setting)
        case "supply_cap" | "borrow_cap" | "supply_cap_reached" | "borrow_cap_reached":
            full = setting in (True, "reached", "full")
            cap = 1 if full else UNREACHABLE if setting is False else int(float(setting))
            which = "Supply" if kind.startswith("supply") else "Borrow"
            administer(configurator, f"set{which}Cap(address,uint256)", address, cap)
        case "caps":
            pass  # each cap stands beside it
        case "borrowing_enabled" if isinstance(setting, bool):
            administer(configurator, "setReserveBorrowing(address,bool)", address, setting)
        case "utilisation_pct" | "utilization_pct" | "available":
            _drained(scene, token, kind, Decimal(str(setting)))
        case _:
            raise Unrealised(f"aave: {kind} {setting!r} of {token.symbol}")


def _drained(scene: Scene, token: Token, kind: str, setting: Decimal) -> None:
    """The borrower takes what must not be there."""
    address, receipt = scene.address(f"${token.symbol}"), scene.address(f"$A{token.symbol}")
    here = scene.balance(address, receipt)
    supplied = read_integer(scene.node, receipt, "totalSupply()")
    left = scene.raw(token, setting) if kind == "available" else int(supplied * (100 - setting) / 100)
    if left < here:
        asked = (address, here - left, VARIABLE, 0, scene.ground.yard.actors["borrower"])
        scene.ground.yard.act("borrower", scene.address("$AAVE_POOL"), "borrow(address,uint256,uint256,uint16,address)", *asked)
