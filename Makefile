# Two commands: `make bench` measures and shows the answer, `make test` runs the tests
# (`make quick`: those that start no process and take no seconds, in a minute). `make docs` builds the site.
# `make VENV=path` uses an environment of yours: what it already has is left as it is.

PYTHON ?= python3
VENV ?= .venv
PRESET ?= default

BIN := $(VENV)/bin
STAMP := $(VENV)/.panet-bench-installed
DOCS_STAMP := $(VENV)/.panet-bench-docs-installed
CONSTRAINTS := $(if $(filter .venv,$(VENV)),--constraint constraints.txt)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINTS) --editable

WORKERS := --numprocesses logical --maxprocesses 4 --dist loadscope
SLOW := process or browser or install or slow

.PHONY: bench test quick check docs setup clean

bench: setup
	@status=0; \
	$(BIN)/pytest bench --preset $(PRESET) --quiet --benchmark-quiet || status=$$?; \
	$(BIN)/python -m reports cost reports/runs/latest/results.json || status=$$?; \
	exit $$status

test: setup $(DOCS_STAMP)
	$(BIN)/pytest tests $(WORKERS)

quick: setup
	$(BIN)/pytest tests $(WORKERS) -m "not ($(SLOW))"

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup $(DOCS_STAMP)
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs \
		--doctree-dir build/doctrees . site

setup: $(STAMP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing PyTorch and the rest into $(VENV): a few minutes, once."
	$(INSTALL) '.[backbones,traces,onnxruntime,openvino,torchao,dev]'
	@touch $@

$(DOCS_STAMP): pyproject.toml constraints.txt | $(STAMP)
	$(INSTALL) '.[docs]'
	@touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache build site *.egg-info
