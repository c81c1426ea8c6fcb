"""What is known and what is wanted: pure. No network, clock, file, randomness, log or database enters this folder."""
