# Two commands on a fresh machine (git, make, Python 3.11 or newer):
#   make demo    set up, then run a whole campaign on the built-in Twilio simulator
#   make test    set up, then run every check and every test
.PHONY: demo test check setup tools lock benchmarks crash-score format

WORKERS ?= 3
# Whole houses of processes whose times are judged: one after the other, with the machine to themselves.
ALONE := $(addprefix tests/e2e/test_,$(addsuffix .py,first_campaign rolling_restart))

demo: setup
	@.venv/bin/campaign demo

test: tools check
	.venv/bin/python -m pytest -n $(WORKERS) --dist worksteal $(addprefix --ignore=,$(ALONE))
	.venv/bin/python -m pytest $(ALONE)

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

setup:
	@.ci/setup

tools: setup
	@.ci/setup tests

benchmarks: setup
	.venv/bin/python -m benchmarks

# What happens to people's phones when everything breaks: hours of runs; writes docs/crash-score.md.
crash-score: setup
	.venv/bin/python -m benchmarks.crash_score

format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# Versions and hashes only: the lock records no download addresses.
lock: setup
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group dev pyproject.toml -o requirements.lock
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group analysis -o requirements.analysis.lock
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group queues -o benchmarks/queues/requirements.lock
