# `make help` says what there is. Nothing needs to be installed beforehand but python3, make and git.
.DEFAULT_GOAL := help
BIN := .venv/bin
NAME := utxoracle-demo
STAGES :=
ORDER := --help
CHAINS :=
MINUTES := 30

.PHONY: help setup up down shell life logs test check bench soak calibrate render lock

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv with everything a checkout needs, and .venv/bin/utxoracle
	@python3 tests/setup_checkout.py

up: setup ## Boot a throwaway node with real parts and deploy the appliance onto it
	@python3 tests/node/node up

down: ## Remove that node, its images and its files
	@python3 tests/node/node down

shell: ## Open a shell on that node, as root
	@python3 tests/node/node exec $(NAME) bash

life: ## Give the life on its chain an order: make life ORDER="speed 20", "whale 500", "mine 3", "stop", "start", "price"
	@python3 tests/node/node life $(NAME) $(ORDER)

logs: ## Follow the journal of the appliance and of the node
	@python3 tests/node/node exec $(NAME) journalctl --follow --lines=50 --output=short-iso \
	  --unit='utxoracle-*' --unit=bitcoind --unit=life --unit=nginx

test: setup ## Prove everything, fastest first; STAGES="unit services" proves a part
	@python3 tests/stages.py $(STAGES)

calibrate: setup ## Try the estimate on hundreds of chains of known price, and print the tables of docs/METHOD.md
	@$(BIN)/python -m tests.calibration $(CHAINS)

check: setup ## Prove what takes seconds: lint, types, layers, unit
	@python3 tests/stages.py lint types layers unit

soak: setup ## Let whales live on a real bitcoind at 200 tx/s for half an hour under faults, and report; MINUTES=5 is shorter
	@$(BIN)/python -m tests.whales.soak --minutes $(MINUTES)

bench: setup ## Measure speed and memory beside a peer, one line a measure; some minutes
	@$(BIN)/python -m tests.bench

render: setup ## Render the files that repeat the settings from their declaration
	@$(BIN)/python -m app.config.render

lock: setup ## Compile the locks in requirements/ anew, with hashes and without addresses
	@for name in setup run dev; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header requirements/$$name.in --output-file requirements/$$name.txt \
	    || exit 1; done
