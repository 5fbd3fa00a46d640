# The two commands of the README are `make demo` and `make test`. Each target makes the virtual environment it needs
# (.venv) from the lock files, whose hashes pip checks; a changed lock file or pyproject.toml brings it up to date.
# Another Python gets an environment of its own: make test PYTHON=/path/python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= auto
# What pytest is given besides: COVERAGE=1 measures coverage, too, and wants 97 % (a fifth longer from Python 3.12 on, and
# twice as long before).
COVERAGE ?=

# What is imported is compiled once, also where the environment says that nothing be kept: tests start Python hundreds of
# times, and each would compile all of us anew. So would each start of the command, hence `compileall`.
unexport PYTHONDONTWRITEBYTECODE

# How long `make fuzz` tries each of its targets.
SECONDS ?= 60

.PHONY: demo test check suite bench fuzz format docs release lock clean

demo: $(VENV)/.runtime
	$(BIN)/gatecrier demo

test: check
	$(MAKE) suite

# The tests without the checks.
suite: $(VENV)/.development
	$(BIN)/python -m pytest -p xdist -n $(JOBS) --dist worksteal $(if $(COVERAGE),--cov --cov-report=term --cov-fail-under=97)

check: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.development
	$(BIN)/python -m tests.bench

# atheris has wheels for some Pythons on Linux on x86-64 only, and is large: it has a lock of its own.
fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

format: $(VENV)/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.development
	$(BIN)/mkdocs build --strict

# A wheel and an archive of the sources in dist/; refuses to ship a root of trust that nobody has looked at for a year.
release: $(VENV)/.development
	$(BIN)/python .ci/root_age.py
	$(MAKE) test
	$(BIN)/hatchling build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 ...")'
	@$(PYTHON) .ci/new_environment.py $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes --requirement requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q router
	@touch $@

# What tests import is compiled when it is imported: of ten thousand modules of one client they need a hundred.
$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	$(PIP) install --no-compile --require-hashes --requirement requirements-dev.lock
	@touch $@

$(VENV)/.fuzz: requirements-fuzz.lock $(VENV)/.development
	$(PIP) install --require-hashes --requirement requirements-fuzz.lock
	@touch $@

# Needs uv (pip install uv). Locks for every platform and Python that pyproject.toml names.
lock:
	uv pip compile --quiet --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-header --group build pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-header --group build --group dev pyproject.toml --constraint requirements.lock --output-file requirements-dev.lock
	uv pip compile --quiet --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-header --group pyproject.toml:fuzz --output-file requirements-fuzz.lock

clean:
	rm -rf $(VENV) .fuzz dist site .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
