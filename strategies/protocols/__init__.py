"""One protocol, one file: read it, accrue it, apply to it, speak its calldata and read that back. Adapters never connect."""
