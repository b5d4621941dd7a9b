# One command for each thing to do: `make help`.
# Everything is installed into .venv, never into the machine's own Python.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

# Python 3.11 or later: the first of these that is, or the one you name: make report PYTHON=/path/to/python3
PYTHONS := $(if $(PYTHON),"$(PYTHON)",python3.11 python3 python3.12 python3.13)
# Tests side by side: one for each processor, or a number: make test WORKERS=2
WORKERS ?= auto
# Extra words for pytest: make test TESTS="-k linking -x"
TESTS ?=

PY := .venv/bin/python
# Stamps: made again when what is to be installed changes
CREATED := .venv/.created
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development

NOTEBOOKS := $(wildcard notebooks/*.ipynb)
STRIP := --keep-id --drop-tagged-cells injected-parameters --extra-keys "metadata.papermill cell.metadata.papermill"

.PHONY: help report lab test test-all lint hooks glossary data truth bench clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

report: $(RUNTIME) ## Make the executive report on the demonstration company (sets up .venv first)
	.venv/bin/learnalign demo

# One numerical thread for each kernel: the matrices are small, and more threads wait for each other
ALONE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

lab: $(RUNTIME) ## Open the notebooks in JupyterLab
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[explore]"
	$(ALONE) .venv/bin/jupyter lab --notebook-dir=. --LabApp.default_url=/lab/tree/notebooks

test: $(DEVELOPMENT) ## Run the fast tests: unit, property, golden (sets up .venv first)
	$(PY) -m pytest -n $(WORKERS) --dist loadfile $(TESTS)

test-all: $(DEVELOPMENT) ## Run every test; random ones search anew
	$(PY) -m pytest -n $(WORKERS) --dist loadfile -m "not bench" --hypothesis-profile=search $(TESTS)

lint: $(DEVELOPMENT) ## Check style, format, the layers, and that notebooks hold no outputs
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports --no-logo
	$(if $(NOTEBOOKS),.venv/bin/nbstripout --verify $(STRIP) -- $(NOTEBOOKS))

hooks: $(DEVELOPMENT) ## Check each commit before it is made (pre-commit)
	.venv/bin/pre-commit install

glossary: $(DEVELOPMENT) ## Write GLOSSARY.md and docs/schema.md again from verdicts/en and the contract
	$(PY) -c "from learnalign.verdicts import explain; open('GLOSSARY.md', 'w').write(explain.glossary_page())"
	$(PY) -m learnalign schema >docs/schema.md

data: $(RUNTIME) ## Draw the demonstration company in data/demo again
	.venv/bin/learnalign simulate data/demo --people 1500 --cycles 6 --seed 1

truth: $(DEVELOPMENT) ## Count verdicts over thousands of companies whose truth is known (more than an hour)
	OMP_NUM_THREADS=1 $(PY) tests/benchmarks/truth.py --write
	OMP_NUM_THREADS=1 $(PY) tests/benchmarks/headline_coverage.py --jobs 2 --write
	OMP_NUM_THREADS=1 $(PY) tests/benchmarks/closing_truth.py --write
	OMP_NUM_THREADS=1 $(PY) tests/benchmarks/units_truth.py --write

bench: $(DEVELOPMENT) ## Measure time and memory, as ratios in one run
	OMP_NUM_THREADS=1 $(PY) tests/benchmarks/bench_ladder.py
	OMP_NUM_THREADS=1 $(PY) tests/benchmarks/bench_link.py

clean: ## Remove .venv, caches and reports
	rm -rf .venv out build dist .pytest_cache .ruff_cache .hypothesis
	find lib tests notebooks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(CREATED):
	@set -e; found=; \
	for candidate in $(PYTHONS); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "learnalign needs Python 3.11 or later; none found (tried:" $(PYTHONS)")." >&2; \
	  echo "Install one, or say where it is: make report PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	  version=$$("$$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "$$found cannot make a virtual environment: its venv or ensurepip module is missing." >&2; \
	  echo "On Debian or Ubuntu: apt-get install python$$version-venv" >&2; exit 1; \
	fi; \
	echo "Making .venv with $$("$$found" --version)"; \
	"$$found" -m venv --clear .venv; \
	touch $(CREATED)

$(RUNTIME): $(CREATED) pyproject.toml constraints.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $(RUNTIME)

$(DEVELOPMENT): $(RUNTIME)
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(DEVELOPMENT)
