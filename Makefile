# Two commands are enough on a fresh machine: `make sweep` and `make test`.
SWEEP ?= digits
RESULTS ?= results
ARGS ?=
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
# bytecode is written even where that is turned off, or each process compiles it all again
TESTS := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses=2 --dist=worksteal --quiet

.PHONY: help setup sweep report reference test test-all faults bench gpu check docs format clean

help:  ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile
	@echo "  Variables: SWEEP=mnist  RESULTS=results  ARGS='--data DIR --workers N'"

setup: $(VENV)/.complete  ## make .venv and install everything into it

KERNEL := $(wildcard lrdecay/engine/native/kernel/*)

$(VENV)/.complete: requirements.lock pyproject.toml setup.py $(KERNEL)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

sweep: setup  ## train what SWEEP asks for and is not there yet
	$(BIN)/lrdecay sweep "$(SWEEP)" --results "$(RESULTS)" $(ARGS)

report: setup  ## write the HTML report of SWEEP's results
	$(BIN)/lrdecay report "$(SWEEP)" --results "$(RESULTS)"

# what results/ is published for, in the order of how long it takes
OWN := digits families families_schedule_free mnist_one_rate budgets fashion_mnist mnist
OTHERS := mnist_example mnist_example_schedule_free fmnist_2c2d_adam_tuned

reference: setup  ## train what results/ is published for and RESULTS lacks; hours on 2 cores
	set -e; for sweep in $(OWN:%=reference/%) $(OTHERS:%=published/%); do \
	  name=$${sweep#reference/} home="$(RESULTS)/$${sweep%/*}"; \
	  $(BIN)/lrdecay sweep "$$name" --results "$$home" $(ARGS); \
	  $(BIN)/lrdecay report "$$name" --results "$$home"; \
	done
	$(BIN)/lrdecay report "$(RESULTS)/reference/mnist" "$(RESULTS)/reference/fashion_mnist"
	$(BIN)/lrdecay plot "$(RESULTS)/reference/mnist" differences --output "$(RESULTS)/reference/mnist.svg"

test: setup  ## run the tests that are quick, four minutes on 2 cores
	$(TESTS) -m "not slow and not faults and not soak"

test-all: setup  ## run the slow ones too, and most faults once or twice; a quarter of an hour
	$(TESTS) -m "not soak" --hypothesis-profile=full

faults: setup  ## kills, damage, full disks: each as often as stated, and what soaks; half an hour
	LRDECAY_FAULTS=full $(TESTS) -m "faults or soak"

bench: setup  ## time things against each other
	$(BIN)/python -m pytest bench --benchmark-only --quiet --override-ini=addopts= $(ARGS)

# on a machine without a network too: where there is no .venv, by the Python there is
gpu:  ## measure what a GPU does, in eight minutes; without one, say what was skipped
	$(if $(wildcard $(VENV)/.complete),$(BIN)/python,$(PYTHON)) -m bench.gpu $(ARGS)

check: setup  ## ruff, formatting, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup  ## write the documents that are made of the code
	$(BIN)/python docs/generate.py

format: setup  ## fix what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment and caches; results stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
