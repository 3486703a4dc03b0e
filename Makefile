# Everything that people and CI do here. It needs Python 3.11 or 3.12 and make; the rest is installed into .venv.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first of these that runs and is 3.11 or 3.12; name another with make PYTHON=...
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
RUNTIME := .venv/.runtime-installed
KERNELS := .venv/.kernels-compiled
DEV := .venv/.dev-installed
ROOTS := common worker operator tests
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --fork-strategy fewest

# What the images are called, as in `make images IMAGE_TAG=latest WORKER_IMAGE=registry.example.org/camstream-worker`.
OPERATOR_IMAGE ?= camstream-operator
WORKER_IMAGE ?= camstream-worker
IMAGE_TAG ?= $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)
DOCKER ?= docker
# More arguments of docker build, such as --network host or --platform.
DOCKER_BUILD_ARGS ?=

# Files of tests side by side: each waits for processes most of the time, and more than four would make each other late.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# numpy's and bitshuffle's threads spin against each other; tests and benchmarks measure one core each.
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test check images cycles e2e bench bench-long generate screenshots format lock clean

help: ## Show this list
	@echo "camstream: live cameras as resources. Start with 'make demo'."
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(KERNELS) ## Run a simulated camera and a pipeline on this machine (Ctrl-C ends it)
	@$(BIN)/camstream run configs/demo

test: $(DEV) ## Run the unit and stream tests (and the API server tests where kube-apiserver and etcd are found)
	@$(BIN)/pytest $(PARALLEL)

check: $(DEV) ## Format, lint, types, import contracts, and that generated files are up to date
	$(BIN)/ruff format --check $(ROOTS)
	$(BIN)/ruff check $(ROOTS)
	$(BIN)/mypy common worker operator
	$(BIN)/lint-imports
	$(BIN)/camstream check configs
	$(BIN)/pytest -q tests/unit/test_generated.py

images: ## Build the images camstream-operator and camstream-worker (needs docker)
	$(DOCKER) build $(DOCKER_BUILD_ARGS) -f Dockerfile.operator -t $(OPERATOR_IMAGE):$(IMAGE_TAG) .
	$(DOCKER) build $(DOCKER_BUILD_ARGS) -f Dockerfile.worker -t $(WORKER_IMAGE):$(IMAGE_TAG) .

cycles: $(DEV) ## Make and stop 1,000 private instances by REST, as many clients at once do, and look for what is left (some minutes)
	@CAMSTREAM_CYCLES=1000 $(BIN)/pytest -rP tests/gateway/test_cycles.py

e2e: $(DEV) ## Run the product as a user would, from the outside
	@$(BIN)/pytest tests/e2e

bench: $(DEV) ## Ratios measured side by side, short form (two minutes); fails 30 % below a goal
	@$(BIN)/python tests/bench/main.py --short

bench-long: $(DEV) ## The same in full; writes docs/performance.md and build/bench.json
	@$(BIN)/python tests/bench/main.py --write-docs

generate: $(DEV) ## Write crds/, the chart's copy and the reference pages from the models
	@$(BIN)/python -m camstream_cli.generate

format: $(DEV) ## Format the sources and mend what can be mended by itself
	$(BIN)/ruff check --fix $(ROOTS)
	$(BIN)/ruff format $(ROOTS)

screenshots: $(DEV) ## Run the demo, look at its page in a headless Chromium, and write docs/images
	@$(BIN)/python -m tests.browser.screenshots

lock: $(DEV) ## Resolve the dependencies anew and write the four lock files
	$(BIN)/pip install --quiet uv
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
# bitshuffle asks for what builds it, and for h5py, which it uses for files only.
	$(COMPILE) --group operator-image -c requirements.lock --no-emit-package cython --no-emit-package setuptools --no-emit-package h5py -o requirements-operator.lock
	$(COMPILE) --group worker-image -c requirements.lock --no-emit-package cython --no-emit-package setuptools -o requirements-worker.lock

clean: ## Remove .venv and everything that was built
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "camstream needs Python 3.11 or 3.12 with venv; none is on the PATH. Name one with make PYTHON=..."; exit 1; }
	@echo "making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv

$(RUNTIME): requirements.lock pyproject.toml | .venv/bin/python
	@echo "installing what camstream needs (about a minute)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(KERNELS): worker/camstream_worker/image/kernels/*.py worker/camstream_worker/image/compile.py $(RUNTIME)
	@$(BIN)/python -m camstream_worker.image.compile
	@touch $@

$(DEV): requirements-dev.lock $(KERNELS)
	@echo "installing what the tests need"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
