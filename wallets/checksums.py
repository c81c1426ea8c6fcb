"""Whether the capitals of an address are its checksum (EIP-55). Refuses nothing: whoever reads an address does."""

import re
from typing import Final

from eth_utils.address import to_checksum_address

ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


def is_checksummed(address: str) -> bool:
    """Whether an address's capitals agree with it; one case throughout claims nothing."""
    digits = address[2:]
    return digits in (digits.lower(), digits.upper()) or to_checksum_address(address) == address
