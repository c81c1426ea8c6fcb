# make demo: set everything up and watch the agent earn on a private chain.  make test: set everything up and prove it.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
.PHONY: help setup demo test format lint types imports tests bench bench-peers hostile clean

help:
	@echo "make demo   sets everything up, then shows the agent at work on a private chain (no key, no network)"
	@echo "make test   sets everything up, then checks format, lint, types, imports and every test"
	@echo "make setup  only sets everything up, in $(VENV) and the user's cache folder"

# uv where there is one, else venv and pip; both take only what the lock names, by hash
$(VENV)/.ready: requirements.lock requirements-node.lock pyproject.toml agent/devnet/package-lock.json
	@echo "setting up $(VENV) ..."
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --clear --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable . ; \
	else \
	  $(PYTHON) -m venv --clear $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable . ; \
	fi
	@if ! command -v npm >/dev/null 2>&1; then \
	  echo "no npm on the path: taking node from a Python wheel"; \
	  if command -v uv >/dev/null 2>&1; then \
	    uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-node.lock ; \
	  else \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-node.lock ; \
	  fi ; \
	fi
	@$(BIN)/python -m agent.devnet
	@touch $@

setup: $(VENV)/.ready

demo: setup
	@$(BIN)/usufruct demo

test: setup format lint types imports tests

format: setup
	$(BIN)/ruff format --check .

lint: setup
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy --num-workers 2

imports: setup
	$(BIN)/lint-imports --no-cache

# one file's tests stay in one process, so that each shares its chain, and three processes share two cores, because each waits for its
# node half of the time; what guards money is held to 95 % of its lines by its own tests, and whole runs are not slowed by counting
RUN := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
WHOLE := tests/wallets/test_lying_node.py $(wildcard tests/wallets/*_chain.py tests/strategies/protocols/*_chain.py)

tests: setup
	$(RUN) tests/strategies tests/wallets $(WHOLE:%=--ignore=%) --cov --cov-report=
	$(BIN)/coverage report --fail-under=95 --skip-covered
	$(RUN) tests/agent tests/backtest tests/bench tests/test_*.py $(WHOLE)

# a planner that belongs to the attacker proposes ten thousand plans to the real wallet on the real chain: about ten minutes
hostile: setup
	$(BIN)/python -m tests.hostile.run 10000

# each protocol's operations beside the contracts' own bytecode, the wallet's verdict and judgement, then the back-test's jobs beside
# NumPy; one JSON line a job
bench: setup
	@$(BIN)/python -m tests.bench.protocols
	@$(BIN)/python -m tests.bench.wallet
	@$(BIN)/python -m tests.bench.rotation
	@$(BIN)/python -m tests.bench.sweep
	@$(BIN)/python -m tests.bench.tape

# the back-test's jobs beside the back-testers that are installed under ~/peers (USUFRUCT_PEERS); see docs/backtest.md
bench-peers: setup
	@$(BIN)/python -m tests.bench.rotation --peers
	@$(BIN)/python -m tests.bench.sweep --peers
	@$(BIN)/python -m tests.bench.range_liquidity

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage runs
