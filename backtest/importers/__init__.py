"""One file a public format, each to a tape or a column of one. What is wrong with it is counted, never averaged away."""
