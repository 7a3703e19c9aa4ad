"""Deterministic simulation: the real dialler, webhooks and sweep on the real SQL, with everything around them
seeded.

One thread runs several processes of the service on a loop of ours (loop.py): time is virtual, one task is
stepped at a time and the seed chooses which, one statement is in flight at a time and the seed chooses how
long it seems to take (postgres.py). Twilio and the people called are in twilio.py, relay.py and truth.py; a
process is process.py; what goes wrong is drawn in plan.py and carried out in world.py; what must hold then is
in judge.py; bugs that it must find are in plants.py.

    python -m tests.simulation --seed 42 --trace     replay one run and print what happened
    python -m tests.simulation --seeds 300           many runs; exit code 1 and the seed when one fails
"""
