"""The guarded edge: the only way value moves. What cannot be read, priced or recognised is refused by name."""
