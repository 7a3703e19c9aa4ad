"""How long a test waits for what must come."""

PATIENCE = 4
"""How many times longer than a quiet machine one may take that is busy with other tests. Waits end when what
they wait for is there; what has to be quick is measured, not waited for."""
