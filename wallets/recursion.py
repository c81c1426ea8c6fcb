"""Imports that leave the process's recursion limit as it was."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def recursion_limit_kept() -> Iterator[None]:
    """Around an import of eth_account or web3: py_ecc, which both need, raises the limit of the whole process to 100,000, and a
    hundred kilobytes of open brackets would then overflow the stack instead of raising RecursionError."""
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
