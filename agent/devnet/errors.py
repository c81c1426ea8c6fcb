"""What can be wrong with the local chain, by name. It does not describe what is wrong with a plan or a wallet.

DevnetError
├─ ArtefactsMissing   the node or the bytecode cannot be had here; the message says what to do
├─ CompilationFailed  a compiler refused a source of the deployment
├─ NodeDied           the node's process ended, or never answered
├─ RpcRefused         the node answered with an error
└─ SceneReverted      a transaction of the deployment or of a scene was mined and failed
"""

from typing import Final

from strategies.errors import UsufructError


class DevnetError(UsufructError):
    """The local chain is not what it should be."""


class ArtefactsMissing(DevnetError):
    """The node or the bytecode cannot be had on this machine as it is."""

    def __init__(self, what: str, *, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what: Final = what
        self.remedy: Final = remedy


class CompilationFailed(DevnetError):
    """A compiler refused a source of the deployment."""

    def __init__(self, *, unit: str, said: str) -> None:
        super().__init__(f"the contracts of {unit} do not compile: {said}")
        self.unit: Final = unit
        self.said: Final = said


class NodeDied(DevnetError):
    """The node's process ended, or never answered."""

    def __init__(self, *, port: int, said: str) -> None:
        super().__init__(f"the local node on port {port} is not running: {said or 'it said nothing'}")
        self.port: Final = port
        self.said: Final = said


class RpcRefused(DevnetError):
    """The node answered a request with an error."""

    def __init__(self, *, method: str, code: int, message: str) -> None:
        super().__init__(f"{method} was refused ({code}): {message}")
        self.method: Final = method
        self.code: Final = code
        self.message: Final = message


class SceneReverted(DevnetError):
    """A transaction was mined and failed."""

    def __init__(self, *, signature: str, transaction_hash: str) -> None:
        super().__init__(f"{signature} reverted in {transaction_hash}")
        self.signature: Final = signature
        self.transaction_hash: Final = transaction_hash
