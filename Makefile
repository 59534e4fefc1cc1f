# What a person runs. `make help` lists it. Everything works from a fresh clone with Python 3.11 or newer.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PHOTOS ?=
MINUTES ?= 10

.DEFAULT_GOAL := help
.PHONY: help demo install test test-fast test-viewers test-system soak check format bench docs prove-harmless clean

help:  ## List what can be made.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 24

$(BIN)/keeprate: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[models,parquet,audit,plots,tray]'
	@touch $@

install: $(BIN)/keeprate  ## Make .venv with keeprate, torch and transformers.

demo: $(BIN)/keeprate  ## See it work; PHOTOS=/some/folder uses copies of yours.
	$(BIN)/keeprate demo $(if $(PHOTOS),--photos "$(PHOTOS)")

$(VENV)/.dev: $(BIN)/keeprate
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[models,parquet,audit,plots,tray,dev]'
	@touch $@

test: $(VENV)/.dev  ## Run the whole test suite.
	$(BIN)/python -m pytest -n 4 --dist loadfile

test-fast: $(VENV)/.dev  ## Run the tests that take no more than a few seconds each.
	$(BIN)/python -m pytest -n 4 --dist loadfile -m "not slow and not viewers and not system and not soak"

test-viewers: $(VENV)/.dev  ## Ask real viewers for their order; skips those that are not installed.
	$(BIN)/python -m pytest -m viewers tests/viewers

test-system: $(VENV)/.dev  ## Ask a real systemd, tray host and browser; skips what is not installed.
	$(BIN)/python -m pytest -n 2 --dist loadfile -m system $$(grep -rlw 'mark\.system' tests --include='test_*.py')

soak: $(VENV)/.dev  ## Use the service for MINUTES=10 while photos move, disks go and processes die.
	KEEPRATE_SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest -m soak -s --timeout 0 tests/soak

check: $(VENV)/.dev  ## Lint, types, layers, docs: everything that CI runs beside the tests.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

format: $(VENV)/.dev  ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev  ## Write docs/reference anew from the commands and the config.
	$(BIN)/python docs/generate.py

bench: $(VENV)/.dev  ## Measure against baselines in the same run; prints tables.
	$(BIN)/python bench/run.py

prove-harmless: $(VENV)/.dev  ## Mark and unmark every odd photo of ../shared/photos and count what changed.
	$(BIN)/python bench/prove_harmless.py

clean:  ## Remove .venv and caches.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
