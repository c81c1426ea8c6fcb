"""Public sources to raw files in a folder, whole, named and counted. It computes no rate and makes no tape; it holds no key."""
