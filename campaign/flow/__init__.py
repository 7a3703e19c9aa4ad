"""The work: gather facts, ask the domain, write, call out."""
