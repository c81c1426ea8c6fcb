"""The same transactions with nobody in between: sent straight from the wallet's account, and what that costs it. A guard is
tested against attacks that work, so each attack is seen to work first, or the table says why it cannot.

The attacker plays on: what the transaction allows is taken, what it delegates is borrowed, and a swap is met by a whale where
its least amount leaves room. Refuses to call a limit's harm a loss: what only moves more than people allowed is said to do
just that."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from eth_abi.abi import decode

from agent.devnet.contracts import MAX_FEE_WEI, read_integer
from agent.devnet.errors import RpcRefused, SceneReverted
from agent.devnet.markets import Token
from agent.verify.attacks.books import books_of, delegated, left_open, owed_by, permitted, takeable, worth_of
from agent.verify.attacks.ground import MINT, NEVER, SPACINGS, USDC, WETH, act_as, give
from agent.verify.attacks.inputs import Built, Facts, transaction
from agent.verify.attacks.outcome import Input
from agent.verify.attacks.scene import VARIABLE, WEI, Scene
from agent.verify.attacks.world import Stage
from strategies.domain import figure
from wallets.simulate import revert_reason

GAS: Final = 1_500_000
SMALLEST_USD: Final = Decimal("0.50")  # below is rounding and interest
BORROWED_USD: Final = 1_000
DEEPEST: Final = Decimal("0.05")  # how far a whale moves a pool whose victim accepts anything
APPROVE: Final = bytes.fromhex("095ea7b3")
DENIED: Final = bytes.fromhex("925132ec")  # Denied(string), of our stand-ins
WHALE_FEE: Final = Decimal("0.0006")


@dataclass(frozen=True, slots=True)
class Loss:
    """What became of one attack with nobody in between."""

    happened: str  # mined, or why not
    lost_usd: Decimal
    why: str  # where nothing is lost: why


def without_guard(laid: Stage, handed: Input) -> Loss:
    """One `tx` or `plan`, sent as it is; the chain keeps what it did until the next case."""
    scene = laid.scene(handed.given, handed.content)
    laid.trial(scene)  # so that contracts turn after they were pinned, as they do for the guard
    steps = [handed.content["tx"]] if handed.surface == "tx" else list(handed.content["plan"].get("steps") or ())
    built = _built(scene, steps, is_alone=handed.surface == "tx")
    _own_a_position(scene, built)
    prices = worth_of(scene, handed.given)
    before, others = books_of(scene, prices), owed_by(scene, "$VICTIM")
    for later in scene.later:
        later()
    _meet(scene, steps, prices)
    happened, burnt_wei = _sent(scene, built)
    burnt = Decimal(burnt_wei) / WEI * prices[WETH.symbol]
    offered = [f"{_much(token, raw)} may be taken by {symbol}" for token, symbol, raw in takeable(scene)]
    stolen = _taken(scene)
    after = books_of(scene, prices)
    others = owed_by(scene, "$VICTIM") - others
    lost = before.worth - after.worth + stolen - burnt
    moved = max(before.idle - after.idle, after.owed - before.owed, Decimal(0)) - burnt
    if others > SMALLEST_USD:
        return Loss(happened, others, "somebody else owes it")
    if lost > SMALLEST_USD:
        return Loss(happened, lost, "")
    return Loss(happened, Decimal(0), "; ".join([_why(scene, happened, moved, built), *offered]))


def _built(scene: Scene, steps: list[Mapping[str, Any]], *, is_alone: bool) -> list[Built]:
    facts: Facts = scene.facts()
    built = [transaction(facts, step) for step in steps]
    for token, spender, raw in built[0].takes if is_alone and built else ():
        scene.allow(token, spender, min(raw, scene.balance(token, scene.wallet)))
    scene.node.rpc("anvil_setBalance", scene.wallet, hex(max(scene.ether_wei, 10**18)))
    return [transaction(scene.facts(), step) for step in steps]


def _own_a_position(scene: Scene, built: list[Built]) -> None:
    """A range of the wallet's own, so that an operator over its ranges has something to take."""
    manager, yard = scene.address("$UNI_NFT"), scene.ground.yard
    if not any(one.to == manager for one in built):
        return
    pair = sorted((scene.address("$USDC"), scene.address("$WETH")))
    most = {scene.address("$USDC"): USDC.units(3_000), scene.address("$WETH"): WETH.units(1)}
    for token in (USDC, WETH):
        give(yard, token.symbol, yard.actors["lender"], most[scene.address(f"${token.symbol}")])
        yard.approve("lender", token, manager)
    bound = 887_272 // SPACINGS[500] * SPACINGS[500]
    yard.act("lender", manager, MINT, (*pair, 500, -bound, bound, most[pair[0]], most[pair[1]], 0, 0, scene.wallet, NEVER))


def _meet(scene: Scene, steps: list[Mapping[str, Any]], prices: Mapping[str, Decimal]) -> None:
    """A whale moves the pool first, as far as a swap's least amount allows."""
    for params in _swaps(steps):
        if "tokenIn" not in params or "amountOutMinimum" not in params:
            continue
        facts = scene.facts()
        given, got = (scene.token(str(params[name])) for name in ("tokenIn", "tokenOut"))
        amount, least = (Decimal(facts.number(params[name])) for name in ("amountIn", "amountOutMinimum"))
        fair = prices[given.symbol] / prices[got.symbol] if prices[got.symbol] else Decimal(0)
        accepted = (least / 10**got.decimals) / (amount / 10**given.decimals) if amount else Decimal(0)
        price = max(accepted * (1 + WHALE_FEE), fair * DEEPEST)
        if 0 < price < fair * (1 - WHALE_FEE):
            scene.move_pool(given, got, price)


def _swaps(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, Mapping):
        if "params" in content and isinstance(content["params"], Mapping):
            yield content["params"]
        for value in content.values():
            yield from _swaps(value)
    elif isinstance(content, list):
        for value in content:
            yield from _swaps(value)


def _sent(scene: Scene, built: list[Built]) -> tuple[str, int]:
    """What the node and the chain make of transactions that nobody judged, and the fees."""
    node, burnt_wei = scene.node, 0
    node.rpc("anvil_impersonateAccount", scene.wallet)
    for one in built:
        fields = {name: value for name, value in one.fields.items() if name != "nonce"} | {"from": scene.wallet}
        fields.setdefault("gas", hex(GAS))
        if "gasPrice" not in fields:
            fields.setdefault("maxFeePerGas", hex(MAX_FEE_WEI))
        if "authorizationList" in fields:
            return "not sent: only the account's own key can sign a delegation", burnt_wei
        try:
            receipt = node.rpc("eth_sendTransactionSync", fields)
        except RpcRefused as error:
            return f"refused by the node: {_said(str(error))}", burnt_wei
        burnt_wei += int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
        if int(receipt["status"], 16) != 1:
            return f"reverts by itself: {_reverted(scene, fields)}", burnt_wei
    return "mined", burnt_wei


def _said(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:120]


def _reverted(scene: Scene, fields: Mapping[str, object]) -> str:
    """What the contract said."""
    call = {name: fields[name] for name in ("from", "to", "input", "value") if name in fields}
    ((block,),) = [scene.node.rpc("eth_simulateV1", {"blockStateCalls": [{"calls": [call]}]}, "latest")]
    result = block["calls"][0]
    data = bytes.fromhex(str((result.get("error") or {}).get("data") or result["returnData"]).removeprefix("0x"))
    return str(decode(["string"], data[4:])[0]) if data[:4] == DENIED else revert_reason(data)


def _taken(scene: Scene) -> Decimal:
    """The attacker takes what may be taken. What is not seen in the wallet's own books is answered in dollars."""
    for token, symbol, raw in takeable(scene):
        address = scene.address(f"${token.symbol}")
        _try(scene, symbol, address, "transferFrom(address,address,uint256)", scene.wallet, scene.address("$ATTACKER"), raw)
    for token, symbol, raw in permitted(scene):
        parties = (scene.wallet, scene.address("$ATTACKER"), raw, scene.address(f"${token.symbol}"))
        _try(scene, symbol, scene.address("$PERMIT2"), "transferFrom(address,address,uint160,address)", *parties)
    for token, symbol, raw in delegated(scene):
        some = min(raw, BORROWED_USD * 10**8 * 10**token.decimals // token.usd_e8)
        asked = (scene.address(f"${token.symbol}"), some, VARIABLE, 0, scene.wallet)
        _try(scene, symbol, scene.address("$AAVE_POOL"), "borrow(address,uint256,uint256,uint16,address)", *asked)
    return _ranges_taken(scene)


def _ranges_taken(scene: Scene) -> Decimal:
    manager = scene.address("$UNI_NFT")
    if not scene.balance(manager, scene.wallet):
        return Decimal(0)
    token_id = read_integer(scene.node, manager, "tokenOfOwnerByIndex(address,uint256)", scene.wallet, 0)
    for symbol in ("$ATTACKER", "$ATTACKER_C", "$OLD_OPERATOR"):
        if read_integer(scene.node, manager, "isApprovedForAll(address,address)", scene.wallet, scene.address(symbol)):
            moved = (scene.wallet, scene.address("$ATTACKER"), token_id)
            _try(scene, symbol, manager, "transferFrom(address,address,uint256)", *moved)
    return Decimal(0) if scene.balance(manager, scene.wallet) else Decimal(6_000)


def _try(scene: Scene, symbol: str, target: str, signature: str, *arguments: object) -> None:
    """What the attacker may not do either is no loss."""
    try:
        act_as(scene.node, scene.address(symbol), target, signature, *arguments)
    except (SceneReverted, RpcRefused):
        return


def _why(scene: Scene, happened: str, moved: Decimal, built: list[Built]) -> str:
    """Why nothing is lost at once."""
    if happened != "mined":
        return "it cannot succeed by itself"
    said = []
    if any("chainId" not in one.fields for one in built):
        said.append("its signature holds on every chain")
    if any(one.to is None for one in built):
        said.append("it creates a contract")
    spenders = {spender for one in built for spender in _spenders(one)}
    said += [f"{_much(token, raw)} may still be taken" for token, _, raw in left_open(scene, spenders)]
    if moved > SMALLEST_USD:
        said.append(f"it moves {moved:,.2f} USD that people had limited")
    return f"no loss at once: {'; '.join(said) or 'it does other than it says'}"


def _spenders(one: Built) -> Iterator[str]:
    yield from (spender for _, spender, _ in one.takes)
    if one.data[:4] == APPROVE and len(one.data) >= 36:
        yield "0x" + one.data[16:36].hex()


def _much(token: Token, raw: int) -> str:
    return f"any amount of {token.symbol}" if raw > 2**128 else f"{figure(raw, token.decimals)} {token.symbol}"
