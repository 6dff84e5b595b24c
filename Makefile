# Two commands do everything on a fresh machine: `make verify` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Compiled programs are kept between runs, in the user's cache folder; MODELCOLLAPSE_CACHE is another folder, or off.

KEPT = export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.05 \
  JAX_COMPILATION_CACHE_DIR="$$($(BIN)/python -c 'import modelcollapse as mc; print(mc.keep_programs() or str())')"

.PHONY: verify test test-all test-browser soak lint examples figures bench wheel docs release clean

# every quick claim in 64 bits, then sections A and D in 32: 37 of the 76
verify: $(VENV)/installed
	$(BIN)/modelcollapse verify --quick
	$(BIN)/modelcollapse verify --quick --precision 32 A D

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadscope --durations 15

# with the tests that are marked slow
test-all: lint
	$(BIN)/python -m pytest -n 2 --dist loadscope --durations 25 -m "not soak"

# the page of `modelcollapse explore` in headless Chromium; needs chromium, node and npm. SITE=build/docs: its pages too
test-browser: $(VENV)/installed
	PYTHON=$(BIN)/python tests/browser/run $(if $(SITE),--site $(SITE))

# for hours: until it finds something, or is stopped
soak: $(VENV)/installed-test
	$(BIN)/python -m pytest -m soak -k "not without_limit"
	$(BIN)/python -m pytest -m soak -k without_limit -n 2

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	.ci/whitespace

examples: $(VENV)/installed
	$(KEPT); for script in examples/*.py; do $(BIN)/python $$script || exit 1; done

# `make figures SMALL=1` takes a minute or two
figures: $(VENV)/installed-test
	$(KEPT); $(BIN)/python examples/paper/make.py $(if $(SMALL),--small)

bench: $(VENV)/installed-test
	$(BIN)/python benchmarks/run.py

# the pages, into build/docs; needs node and npm for the formulas
docs: $(VENV)/installed-docs
	$(BIN)/python docs/site/build.py

wheel: $(VENV)/installed-test
	$(BIN)/python -m build --wheel --no-isolation --outdir dist

# source distribution, and the wheel from it
release: $(VENV)/installed-release
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python .ci/contents.py dist

clean:
	rm -rf $(VENV) .cache dist build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --constraint constraints.txt --editable '.[docs]'
	touch $@ $(VENV)/installed

$(VENV)/installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install --constraint constraints.txt --upgrade pip
	$(PIP) install --constraint constraints.txt --editable . --group dev
	touch $@ $(VENV)/installed

$(VENV)/installed-release: $(VENV)/installed-test
	$(PIP) install --constraint constraints.txt --group release
	touch $@
