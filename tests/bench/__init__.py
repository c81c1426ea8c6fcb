"""How fast the protocol models are, beside the contracts' own bytecode. Processor time only; no test asserts any of it."""
