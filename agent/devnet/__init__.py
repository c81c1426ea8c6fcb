"""The local chain: a node, real protocol bytecode, a deployment and scenes. It holds no secret and reaches no other chain.

`chain.Devnet` is the door; everything else is below it. Its accounts are the published test accounts of every local node.
"""
