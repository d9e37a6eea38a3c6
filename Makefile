# `make` alone explains. The first run sets up an environment in .venv (5 to 15 minutes); later ones
# take seconds. Nothing has to be installed before but Python 3.10 to 3.12 and a C++ compiler.
# Another Python than the one that is found: make demo PYTHON=/path/to/python3.11

.DEFAULT_GOAL := help
.PHONY: help venv demo studies test compat lint clean
MAKEFLAGS += --no-print-directory

# any Python 3.8 or newer that really runs can run the installer, which then looks for a better one
STARTER := $(shell for p in "$(PYTHON)" python3 python3.11 python3.12 python3.10 python \
	/usr/bin/python3 /usr/local/bin/python3; do \
	[ -n "$$p" ] && "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1 \
	&& echo "$$p" && break; done)
INSTALL = $(if $(STARTER),$(STARTER),$(error no Python 3.8 or newer runs here: install Python 3.11)) \
	requirements/install.py --python "$(PYTHON)"

help:
	@echo 'make demo    render people, train a small ViTPose on them, test it, and show the result in demo/'
	@echo 'make studies five formats by heart (needs DATA=/path/to/photographs), a tenth of COCO with other sets, transfer'
	@echo 'make test    check everything: style, types, units, parity with other code, whole runs'
	@echo 'make compat  the unit and parity tests on the versions that most MMPose users have (.venv-legacy)'
	@echo 'make lint    style and types alone'
	@echo 'make venv    set up the environment alone; .venv/bin/vitpose doctor then tells its state'
	@echo 'make clean   remove both environments and what tests left; the wheel cache, data/ and demo/ stay'
	@echo
	@echo 'Each sets up what it needs. Options: PYTHON=/path/to/python, TESTS="tests/unit -k vit"'

venv:
	@$(INSTALL) tested --package

demo: venv
	.venv/bin/vitpose demo --out demo

.PHONY: need-data
need-data:
	@$(if $(DATA),:,$(error Give the folder of photographs, make studies DATA=FOLDER: \
	projects/multi_dataset/README.md says what it holds))

studies: need-data venv
	.venv/bin/python projects/multi_dataset/memorise.py --data $(DATA) --out work_dirs/five_photo_sets
	.venv/bin/python projects/multi_dataset/tenth.py --out work_dirs/tenth
	.venv/bin/python projects/transfer/study.py --out work_dirs/transfer

TESTS ?= tests
test:
	@$(INSTALL) tested --peers --package
	@$(MAKE) check-style
	.venv/bin/python -m pytest --durations=10 $(TESTS)

lint: venv
	@$(MAKE) check-style

.PHONY: check-style
check-style:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

compat:
	@$(INSTALL) legacy --peers --package
	.venv-legacy/bin/python -m pytest --durations=10 tests/unit tests/parity

clean:
	rm -rf .venv .venv-legacy .pytest_cache .mypy_cache .ruff_cache vitpose_mm.egg-info vitpose_mm/.mim
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
