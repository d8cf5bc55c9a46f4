.DEFAULT_GOAL := help
.PHONY: help install demo soak scale test lint ruff mypy layers clean

export PYTHON

help:
	@echo 'make install   .venv with everything that the commands need; nothing to do where it stands'
	@echo 'make demo      a simulated flight over a simulated SAR map, from nothing to an HTML report in demo_out'
	@echo 'make soak      minutes of full-HD images at 30 Hz into the node: memory, drops, service calls, latency; SECONDS=300 each'
	@echo 'make scale     the map store measured: build rate, queries, memory of a build of 1 gigapixel, kills; an hour on two cores'
	@echo 'make test      the whole test suite'
	@echo 'make lint      ruff, mypy, import-linter'
	@echo 'make clean     remove .venv and everything made'
	@echo
	@echo 'make PYTHON=/path/to/python3 ...   choose the interpreter (3.11 or newer)'

install:
	@.ci/install

demo: install
	.venv/bin/promptmid demo --out demo_out

SECONDS ?= 300
soak: export OMP_NUM_THREADS = 1
soak: install
	.venv/bin/python -m promptmid_ros.soak --seconds $(SECONDS) --out soak_out

scale: export OMP_NUM_THREADS = 1
scale: install
	.venv/bin/python -m promptmid_core.evaluation.mapscale --out scale_out

# the test processes share the cores, so each keeps to one thread
test: export OMP_NUM_THREADS = 1
test: export OPENBLAS_NUM_THREADS = 1
test: install
	.venv/bin/python -m pytest -q -rs -n 2 --dist loadfile

lint: ruff mypy layers

ruff: install
	.venv/bin/python -m ruff check .

mypy: install
	.venv/bin/python -m mypy --strict promptmid_core

layers: install
	.venv/bin/lint-imports --no-logo

clean:
	rm -rf .venv demo_out soak_out scale_out build install log promptmid_ros.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
