"""Postgres: the only SQL. Plain async functions that take a connection."""
