"""Tests of the local chain; those marked `chain` start it."""
