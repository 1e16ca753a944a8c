# What people run and what CI runs are the same targets. `make` alone lists them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# -qq: errors only; warnings of pip concern the index somebody configured, not this project
QUIET  := --disable-pip-version-check --no-input -qq
PIP    := $(BIN)/pip $(QUIET)
PINNED := install --require-hashes --no-build-isolation
# what is not there yet is not run, so that a young repository passes on what it has
TESTS  := $(wildcard tests/unit tests/property tests/conformance tests/calibration tests/integration tests/e2e tests/fault)
# files of tests that run at a time: half of a test's time is waiting for a process that it started
AT_ONCE ?= 2
# one thread per numeric library: on few cores more of them only wait for each other
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test check fmt fix lint types floors docs calibrate integration e2e fault bench bench-serving lowest lock clean preflight

help:  ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.demo  ## install, then the story on real data, some four minutes
	@$(BIN)/lockgate demo

test: $(VENV)/.dev  ## install, then all tests in their short form
	@$(BIN)/python -m pytest -q -n $(AT_ONCE) --dist loadfile -m "not slow" $(TESTS)

check: fmt lint types floors test docs  ## everything a change must pass

fmt: $(VENV)/.dev  ## is everything formatted?
	@$(BIN)/ruff format --check .

fix: $(VENV)/.dev  ## format, and mend what lint can mend itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lint: $(VENV)/.dev  ## ruff's rules
	@$(BIN)/ruff check .

types: $(VENV)/.dev  ## mypy and pyright, both strict
	@$(BIN)/mypy
	@$(BIN)/pyright

floors: $(VENV)/.dev  ## imports run downstairs only
	@$(BIN)/lint-imports --no-logo

docs: $(VENV)/.dev  ## the documentation says what the code does
	@$(BIN)/python -m pytest -q tests/docs

calibrate: $(VENV)/.dev  ## long, an hour: error rates on worlds with a known truth, written into docs/guarantees.md
	@$(BIN)/python -m pytest -q -n $(AT_ONCE) --dist loadfile tests/calibration
	@$(BIN)/python docs/guarantees/measure.py
	@$(BIN)/python -W ignore docs/guarantees/flights_compare.py
	@$(BIN)/python docs/guarantees/write.py

integration: $(VENV)/.dev  ## long: every framework, every format, MLflow's servers
	@$(BIN)/python -m pytest -q tests/integration

e2e: $(VENV)/.dev  ## long: command line, HTTP and pages, end to end
	@$(BIN)/python -m pytest -q tests/e2e

fault: $(VENV)/.dev  ## long: kill, full disk, slow store, clock jump
	@$(BIN)/python -m pytest -q tests/fault

bench: $(VENV)/.dev  ## long: paired comparisons, one file per rival
	@for file in $(sort $(wildcard benchmarks/*.py)); do echo "$$file"; $(BIN)/python "$$file" || exit 1; done

bench-serving: $(VENV)/.dev  ## long, half an hour: six servers beside ours, into the tables of docs/benchmarks.md; needs wrk
	@$(BIN)/python -W ignore benchmarks/serving/run.py --out benchmarks/serving/results.json
	@$(BIN)/python benchmarks/serving/table.py

# -W default: an old library that warns about a newer one below it tells us nothing; `make test` is where warnings are errors
LOWEST := $(wildcard tests/unit tests/property tests/conformance)
lowest: .venv-lowest/.ready  ## long: the same tests on the oldest versions that pyproject.toml allows
	@.venv-lowest/bin/python -m pytest -q -n $(AT_ONCE) --dist loadfile -m "not slow" -W default $(LOWEST)

clean:  ## remove environments and caches
	rm -rf .venv .venv-lowest .venv-lock .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- environments: one .venv; what the demo needs first, the tools on top of it only for those who want them

define count
$(shell grep -c '^[A-Za-z]' $(1))
endef

preflight:
	@command -v $(PYTHON) >/dev/null || { echo 'missing: $(PYTHON)'; echo '  apt-get install -y python3 python3-venv   (or: make PYTHON=...)'; exit 1; } >&2
	@$(PYTHON) .ci/preflight.py

$(VENV)/.python: | preflight
	@$(PYTHON) -m venv --clear $(VENV) && touch $@

$(VENV)/.demo: requirements/build.txt requirements/demo.txt pyproject.toml | $(VENV)/.python
	@echo "Installing $(call count,requirements/demo.txt) pinned packages into $(VENV): once, some minutes ..."
	@$(PIP) $(PINNED) -r requirements/build.txt
	@$(PIP) $(PINNED) -r requirements/demo.txt
	@$(PIP) install --no-build-isolation --no-deps -e .
	@echo "Migrating the run tracker's first database, kept for every workspace to come ..."
	@$(BIN)/python -W ignore -m lockgate.store.mlflow_runs
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.demo
	@echo "Installing test and lint tools into $(VENV): once, about a minute ..."
	@$(PIP) $(PINNED) -r requirements/dev.txt
	@touch $@

.venv-lowest/.ready: requirements/build.txt requirements/lowest.txt pyproject.toml | preflight
	@echo "Installing the lowest versions allowed into .venv-lowest: once, some minutes ..."
	@$(PYTHON) -m venv --clear .venv-lowest
	@.venv-lowest/bin/pip $(QUIET) $(PINNED) -r requirements/build.txt
	@.venv-lowest/bin/pip $(QUIET) $(PINNED) -r requirements/lowest.txt
	@.venv-lowest/bin/pip $(QUIET) install --no-build-isolation --no-deps -e .
	@touch $@

# ---- pins: hashes, every platform, and no word of where they came from

UV_VERSION := 0.13.9
COMPILE = .venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate $(LOCK_FLAGS)

lock: | preflight  ## write requirements/*.txt anew (LOCK_FLAGS=--upgrade for the newest versions)
	@test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip $(QUIET) install uv==$(UV_VERSION); }
	@$(COMPILE) --extra dev pyproject.toml -o requirements/dev.txt
	@$(COMPILE) --extra demo -c requirements/dev.txt pyproject.toml -o requirements/demo.txt
	@$(COMPILE) -c requirements/dev.txt requirements/build.in -o requirements/build.txt
	@$(COMPILE) --extra demo --extra test --resolution lowest-direct pyproject.toml -o requirements/lowest.txt
	@! grep -nE '://|^ *-' requirements/*.txt | grep -v -- '--hash=' || { echo 'an address or an option in requirements/' >&2; exit 1; }
