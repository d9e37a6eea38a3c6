# `make` alone explains. The first run sets up an environment with uv; later ones take a second. Nothing has to be
# installed before but Python 3.10 to 3.12 and a C++ compiler.

.DEFAULT_GOAL := help
.PHONY: help venv demo need-data studies check test fast-tests all-tests long gpu wheels lint compat docs clean
MAKEFLAGS += --no-print-directory

# the longest tests first: one of them alone at the end would keep the other processes waiting
TESTS ?= projects tests
JOBS ?= $(shell expr $$(nproc) + 1)
# the tests of a file run in one process, which makes their fixtures once
PYTEST = bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
# threads of several processes that wait for the same cores take longer than one thread each
fast-tests all-tests long compat: export OMP_NUM_THREADS = 1
# processes that tests start need not compile this package again, whatever the caller's setting
fast-tests all-tests long: export PYTHONDONTWRITEBYTECODE =

help:
	@echo 'make demo    predict a photograph, then train a small ViTPose on rendered people; the results are in demo/'
	@echo 'make check   style, types and the fast tests'
	@echo 'make test    style, types and all tests: units, parity with other implementations, whole commands'
	@echo 'make long    the tests that take too long for make test: 20 kills, 1,000 inputs, 30 s of training...'
	@echo 'make gpu     the tests that need a CUDA GPU (TEST_GPU=1: the second one); all others run on the CPU'
	@echo 'make wheels  of mmcv and xtcocotools, for a machine with a GPU and without a network, into wheels/'
	@echo 'make compat  unit and parity tests, and trainings, on the versions that most MMPose users have (.venv-legacy)'
	@echo 'make lint    style and types alone'
	@echo 'make studies overfitting test on five annotation formats (needs DATA=/path/to/photographs), a tenth of COCO'
	@echo '             with other datasets, transfer, memory over 3,000 iterations'
	@echo 'make docs    build the documentation site into site/, in an environment of its own (.venv-docs)'
	@echo 'make venv    set up the environment alone; .venv/bin/vitpose doctor then describes it'
	@echo 'make clean   remove the environments, the site and what tests left; data/ and demo/ stay'
	@echo
	@echo 'Each sets up what it needs. Options: PYTHON=/path/to/python, TESTS="tests/unit -k vit", JOBS=test processes'

venv:
	@requirements/venv.sh tested

demo: venv
	.venv/bin/vitpose demo --out demo

need-data:
	@$(if $(DATA),:,$(error Give the folder of photographs, make studies DATA=FOLDER: \
	projects/multi_dataset/README.md says what it holds))

studies: need-data venv
	.venv/bin/python projects/multi_dataset/memorize.py --data $(DATA) --out work_dirs/five_photo_sets
	.venv/bin/python projects/multi_dataset/tenth.py --out work_dirs/tenth
	.venv/bin/python projects/transfer/study.py --out work_dirs/transfer
	.venv/bin/python projects/memory/study.py --out work_dirs/memory

lint: venv
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# style and types are checked beside the tests, which wait for other processes now and then
check: venv
	@$(MAKE) -j2 lint fast-tests

test: venv
	@$(MAKE) -j2 lint all-tests

fast-tests: venv
	.venv/$(PYTEST) -m 'not slow and not install and not long' $(TESTS)

all-tests: venv
	.venv/$(PYTEST) --durations=10 -m 'not long' $(TESTS)

long: venv
	.venv/$(PYTEST) --durations=10 -m long $(TESTS)

# only files with such tests are imported: a machine with a GPU may lack packages of the others
gpu: TESTS := $(shell grep -rlE 'mark\.gpu' tests projects --include='test_*.py')
gpu:
	TEST_GPU=$${TEST_GPU:-0} $(or $(wildcard .venv/bin/python),python3) -m pytest -m gpu --durations=5 $(TESTS)

wheels:
	projects/gpu/wheels.sh

compat:
	@requirements/venv.sh legacy
	.venv-legacy/$(PYTEST) --durations=10 -m 'not long' projects/studies tests/parity tests/unit \
		$(patsubst %,tests/integration/test_%.py,train_and_test resume faults distill two_datasets pretrain inferencer)

docs: .venv-docs/ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

.venv-docs/ready: requirements/docs.txt
	$(or $(PYTHON),python3) -m venv --clear .venv-docs
	.venv-docs/bin/pip install -q --disable-pip-version-check -r $<
	touch $@

clean:
	rm -rf .venv .venv-legacy .venv-docs site .pytest_cache .mypy_cache .ruff_cache vitpose_mm.egg-info vitpose_mm/.mim
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
