# Everything a person or CI does here. It needs make and a Python 3.11 or newer, nothing else.

PYTHON ?= python3
# More for pytest, for instance: make test ARGS="-k pages"
ARGS ?=
# make lock UPGRADE=--upgrade moves every pin; without it only what pyproject.toml demands moves.
UPGRADE ?=
# make bench NAME=core runs that benchmark alone.
NAME ?=

# make crash N=1000 kills that often; SEED=… orders the same again.
N ?= 200

# make sim SEEDS=5000 simulates that many; make sim SEED=7 repeats one and prints all that happens in it.
SEEDS ?= 1000
SEED ?=

BIN := .venv/bin
STAMP := .venv/.installed
COMPILE = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help setup run check format compile programs test test-cluster test-more planted kafka crash crash-kafka sim bench bench-gate lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## make .venv and install what requirements.lock pins (PYTHON=python3.13 chooses the Python)

# A .venv of another Python is made anew; the same one is brought up to date in place.
$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "setup: there is no '$(PYTHON)'; name a Python: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"setup: MMSB needs Python 3.11 or newer, and {sys.executable} is {v[0]}.{v[1]}; name another: make setup PYTHON=python3.12")'
	@echo "setup: installing requirements.lock into .venv (a minute or two)"
	@rm -f $(STAMP)
	@test -x $(BIN)/python && test "$$($(BIN)/python -V)" = "$$($(PYTHON) -V)" || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: setup ## the bank: a million transfers, and then questions about them; leaves ./data/bank to try things on
	@$(BIN)/python -m examples.demo

check: setup ## lint, formatting, both type checkers, import contracts, what is in deploy/
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/mypy
	$(BIN)/lint-imports
	@deploy/check

format: setup ## format the code and repair what ruff can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

compile: setup ## make .pyc files and machine code, or each of hundreds of processes of the tests does
	@$(BIN)/python -m compileall -q src/mmsb src/mmsb/*/ examples tests
	@$(BIN)/python -m tests.processors.machine_code

programs: setup ## fetch and build what tests start in other languages, where it can be had
	@deploy/kafka/fetch --if-possible
	@examples/clients/build --if-possible
	@$(BIN)/python -m tests.kafka.classes

test: setup ## check, then every test, slow ones too (ARGS="…" goes to pytest)
	@$(MAKE) --no-print-directory -j3 --output-sync=target check compile programs
	$(BIN)/pytest -n 3 --maxschedchunk 1 -m "not alone and not campaign and not cluster" $(ARGS) # more than cores: many tests wait, for disks and for processes
	$(BIN)/pytest -m alone $(ARGS) || test $$? -eq 5 # 5: ARGS leave none of them

test-cluster: setup kafka ## the tests that need three brokers of Kafka, which keep everything three times
	MMSB_REQUIRE_KAFKA=1 $(BIN)/pytest -m cluster tests/kafka $(ARGS)

test-more: setup compile ## what `make test` leaves out, since it is more of the same: most planted bugs, more seeds
	$(BIN)/pytest -n 3 --maxschedchunk 1 -m campaign $(ARGS)

planted: setup compile ## plant every bug that is kept for it, each in a copy of the tree, and see that it is noticed
	$(BIN)/pytest -n 3 --maxschedchunk 1 tests/planted $(ARGS)

kafka: ## fetch Kafka's own programs: brokers for the tests, and what reads our logs (needs Java and Maven)
	@deploy/kafka/fetch

sim: setup ## simulate the engine under crashes, power cuts and failing disks (SEEDS=5000 so many, SEED=7 that one)
	$(BIN)/python -m tests.simulation.campaign $(or $(SEED),0 $(SEEDS))

crash: setup ## SIGKILL a service N times at random moments, and judge what is left (N=1000 SEED=…)
	$(BIN)/python -m tests.crash.campaign $(N) $(SEED)

crash-kafka: setup kafka ## SIGKILL workers behind a broker N times at random moments, and judge the topics (N=1000 SEED=…)
	$(BIN)/python -m tests.kafka.killing $(N) $(SEED)

bench: setup ## measure, and write bench/results/ and docs/benchmarks.md (NAME=core runs one alone)
	$(BIN)/python -m bench $(NAME)

bench-gate: setup ## fail if something got slower than bench/results/baseline.json allows; says what
	$(BIN)/python -m bench gate

lock: setup ## write both locks anew from pyproject.toml (UPGRADE=--upgrade moves every pin)
	$(COMPILE) --group dev $(UPGRADE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --group wheel --constraint requirements.lock --no-annotate --output-file deploy/requirements.lock pyproject.toml

clean: ## remove .venv, caches and build results
	rm -rf .venv build dist htmlcov .cache .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
