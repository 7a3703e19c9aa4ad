"""Benchmarks: calls placed, turns held, rows imported, each beside its limit in the same run (README.md)."""
