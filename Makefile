# Every target sets up what it needs in .venv; git, make and Python 3.11, 3.12 or 3.13 are enough.

# The newest that works: a shim of pyenv may stand for no Python, and Debian's may lack ensurepip,
# without which venv makes no environment. Asked for only when .venv is set up.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11; do \
	$$name -c "import ensurepip" 2> /dev/null && command -v $$name && break; done)
BUILD := -c "import os, sys; print(os.path.realpath(sys.base_prefix), sys.version)"
# One that is named is the one that runs: a .venv of another Python is set up anew.
ifneq ($(filter command environment,$(origin PYTHON)),)
override PYTHON := $(or $(shell command -v $(PYTHON) 2> /dev/null),$(PYTHON))
ifneq ($(shell $(PYTHON) $(BUILD) 2> /dev/null || :),$(shell .venv/bin/python $(BUILD) 2> /dev/null || echo none))
.PHONY: .venv/uv
endif
endif
UV_VERSION := 0.13.9
BIN := .venv/bin
# DVC starts the stages with the environment's Python, without a shell that activated it.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help demo repro serve app test lint bench soak reproduce compare-pythons kill-training compare-models screenshots doctor why keep-splits clear-downloads deps messages lock

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: repro  ## Everything: train on the sample if need be, then start the model server and the page
	@python -m rhymes demo

repro: .venv/runtime  ## The main job: export -> COCO -> TFRecord -> trained, exported, evaluated detector
	@dvc repro
	@echo "Done. How good it is: reports/evaluate/report.md; the model: models/detector; curves: dvc plots show"

serve: .venv/runtime  ## Serve the exported model on this machine by gRPC, as TensorFlow Serving does
	@python -m rhymes serve --model_name detector --model_base_path models/detector

app: .venv/runtime  ## The page alone, for the model server at $$SERVING_ADDRESS (localhost:8500)
	@python -m rhymes page

test: .venv/develop  ## Run all tests (about 20 minutes on 2 cores), and say how much of the code they run
	@python -m tools.browser
	@pytest -n 3 --no-loadscope-reorder --cov --cov-report=html:logs/coverage
	@echo "Lines that the tests' own processes ran: $$(coverage report --format=total) % (logs/coverage/index.html)"

lint: .venv/develop  ## Check style (ruff, shellcheck) and types (mypy)
	@ruff check .
	@ruff format --check .
	@mypy
	@shellcheck .ci/run deploy/*.sh

bench: .venv/develop  ## Measure speed and memory, each as a ratio against a peer or a limit
	@python -m bench

soak: .venv/develop  ## Put the server under load while its models change: 5,000 requests (minutes)
	@python -m bench soak

reproduce: .venv/runtime  ## Prove that two fresh clones lock the same bytes (about an hour; RUN=sample-retinanet: one)
	@python -m tools.reproduce $(RUN)

compare-pythons: .venv/runtime  ## Prove that each Python writes the same data (PYTHONS="3.11 3.13"; UNTIL=train: the rest)
	@python -m tools.reproduce $(RUN) --pythons $(or $(PYTHONS),3.11 3.12 3.13) --until $(or $(UNTIL),tfrecord)

kill-training: .venv/runtime  ## Prove that a training killed four times ends in the same bytes (half an hour)
	@python -m tools.kill_training

compare-models: .venv/runtime  ## Train each architecture by DVC's queue in a fresh clone, compare and serve them
	@python -m tools.compare_models

screenshots: .venv/develop  ## Take the README's images of the page (docs/screenshots)
	@python -m tools.screenshots

doctor:  ## Check in seconds what a newcomer trips over, and say what cures it
	@$$(command -v $(BIN)/python || command -v python3 || echo $(PYTHON)) rhymes/project/doctor.py $(PYTHON)

why: .venv/runtime  ## Say why a stage ran again or would: make why train (SINCE=v1; no stage: all)
	@python -m rhymes why $(STAGE) $(if $(SINCE),--since $(SINCE))

# In `make why train` the second word is a stage and no target: nothing is to be done for it.
ifeq ($(firstword $(MAKECMDGOALS)),why)
STAGE ?= $(or $(stage),$(word 2,$(MAKECMDGOALS)))
WORDS := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
.PHONY: $(WORDS)
$(WORDS): ; @:
endif

keep-splits:  ## Pin today's split of the images, so that a growing export keeps it (data/splits.csv)
	@test -f data/coco/splits.csv || { echo "No split yet: run make repro first."; exit 1; }
	@cp data/coco/splits.csv data/splits.csv
	@echo "data/splits.csv now pins $$(($$(wc -l < data/splits.csv) - 1)) images; commit it."

clear-downloads:  ## Forget downloaded images, so that `dvc repro --single-item --force fetch` asks all URLs again
	@rm -rf .dvc/tmp/rhymes/downloads
	@echo "Forgotten. DVC does not see what changed behind a URL, so ask for it:"
	@echo "  dvc repro --single-item --force fetch"

deps: .venv/runtime  ## Write into dvc.yaml which modules each stage imports, after a change of imports
	@python -m tools.deps

messages: .venv/runtime  ## Declare the wire's messages anew, after another tensorflow-serving-api
	@python -m rhymes.wire.declarations

# The locks begin with these very commands, by which Renovate (renovate.json) resolves them again;
# it reads options with "=" alone.
LOCK := uv pip compile --universal --python-version=3.11 --generate-hashes

lock: .venv/develop  ## Resolve requirements*.in again (all packages anew: UPGRADE=--upgrade)
	@$(LOCK) --quiet $(UPGRADE) --output-file=requirements.txt requirements.in
	@$(LOCK) --quiet $(UPGRADE) --output-file=deploy/requirements-app.txt deploy/requirements-app.in
	@$(LOCK) --quiet $(UPGRADE) --output-file=requirements-dev.txt requirements-dev.in

.venv/uv:
	@$(or $(PYTHON),false) -c "import ensurepip, sys; assert (3, 11) <= sys.version_info < (3, 14)" 2> /dev/null || \
		{ echo "$(or $(PYTHON),python3.13 to python3.11): no Python 3.11, 3.12 or 3.13 with venv; install one" \
		"(Debian, Ubuntu: apt-get install python3-venv) or name it: make PYTHON=/path/to/python3.13"; exit 1; }
	@test "$$($(PYTHON) $(BUILD))" = "$$($(BIN)/python $(BUILD) 2> /dev/null)" || rm -rf .venv
	@echo "Setting up .venv with $(PYTHON) (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

.venv/runtime: requirements.txt pyproject.toml .venv/uv
	@uv pip install -q --compile-bytecode --require-hashes -r requirements.txt
	@uv pip install -q --no-deps -e .  # the command `rhymes`, of this checkout
	@touch $@

.venv/develop: requirements-dev.txt .venv/runtime
	@uv pip install -q --compile-bytecode --require-hashes -r requirements-dev.txt
	@touch $@
