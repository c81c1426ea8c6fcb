"""The settings of stand-ins, by which a case changes how a contract behaves without changing its code. Refuses nothing."""

from decimal import Decimal
from typing import Any, Final

from agent.verify.attacks.ground import word
from agent.verify.attacks.scene import Scene

VAULTS: Final = ("$MM_VAULT_USDC", "$MM_VAULT_WETH")
WHOLE_BPS: Final = 10_000


def bps_of(percent: Any) -> int:
    """Hundredths of a percent."""
    return round(Decimal(str(percent)) * 100)


def switch(scene: Scene, symbol: str, what: str, number: int) -> None:
    """A setting of a stand-in."""
    scene.set(symbol, "set(bytes32,uint256)", word(what), number)


def hook(scene: Scene, symbol: str, moved: tuple[str, str, str, str]) -> None:
    """Each transfer of a token also moves another: which, from whom, to whom, how much."""
    taken, giver, taker, human = moved
    token_taken = scene.token(taken)
    raw = scene.raw(token_taken, human)
    parties = (scene.address(taken), scene.address(giver), scene.address(taker))
    scene.set(symbol, "setHook(address,address,address,uint256)", *parties, raw)
    if giver == "$WALLET":
        scene.allow(scene.address(taken), scene.address(symbol), raw)


def thief(scene: Scene, symbol: str, token_taken: str = "$DAI", raw: int = 0) -> None:
    """Who gets what a vault withholds, and what else it takes."""
    scene.set(symbol, "setThief(address,address,uint256)", scene.address("$ATTACKER_C"), scene.address(token_taken), raw)
