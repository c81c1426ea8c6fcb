"""`python -m agent.devnet`: fetches, compiles and builds what is missing, and says what there is. It starts no chain."""

import sys

from agent.devnet.artefacts import ensure
from agent.devnet.chain import build
from agent.devnet.errors import DevnetError


def main() -> None:
    """Everything that the first `Devnet.start` would otherwise wait for."""
    try:
        artefacts = ensure(print)
        node, chain = artefacts.anvil, build(artefacts, print)
    except DevnetError as error:
        sys.exit(str(error))
    print(f"the local node ({node.name}) and the bytecode are in {artefacts.root}, the local chain in {chain}")  # noqa: T201


if __name__ == "__main__":
    main()
