"""The local chain: a node, protocols, a deployment and scenes. It holds no secret and reaches no other chain.

`chain.Devnet` is the door; everything else is below it. The protocols are real bytecode, or contracts of our own that are called
stand-ins where nobody publishes any. Its accounts are the published test accounts of every local node.
"""
