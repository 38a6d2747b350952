# The four things to do with a checkout. Everything behind them is in packaging/bootstrap.py.
# ARGS goes to the command: make run ARGS="say 'Good morning.' --output out/a.wav"

PYTHON ?= python3
BOOTSTRAP = $(PYTHON) packaging/bootstrap.py

.PHONY: help setup run test lint lock

help:
	@echo "make setup   the environment in .venv"
	@echo "make run     talk to Parley (without a screen or sound card: the sample conversation, into out/)"
	@echo "make test    the fast tests       (all of them: make test ARGS=\"-m 'slow or not slow'\")"
	@echo "make lint    every check that CI makes"
	@echo "make lock    write the lock files anew from pyproject.toml"

setup:
	@$(BOOTSTRAP) setup

run:
	@$(BOOTSTRAP) run $(ARGS)

test:
	@$(BOOTSTRAP) test $(ARGS)

lint:
	@$(BOOTSTRAP) lint

lock:
	@$(BOOTSTRAP) lock
