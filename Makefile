.DEFAULT_GOAL := help
.PHONY: help install demo certify soak cameras faults fuzz hours loop scale mutation weights calibrate test check test-long test-full evo lint ruff mypy layers lock licences sbom clean

export PYTHON

help:
	@echo 'make install   .venv with everything that the commands need; nothing to do where it stands'
	@echo 'make demo      a simulated flight over a simulated SAR map, from nothing to an HTML report in demo_out'
	@echo 'make certify   decoys flown at some 150 places: false fixes, their bound, honest hypotheses; goes on where it was stopped; hours'
	@echo 'make soak      minutes of full-HD images at 30 Hz into the node: memory, drops, service calls, latency; SECONDS=300 each'
	@echo 'make cameras   two cameras at 10 Hz over one map in one process: memory of the second, crosstalk; SECONDS=600 with one, then with two'
	@echo 'make faults    some 80 faults done to the node in flight: images, clocks, odometry, maps, system; a quarter of an hour on two cores'
	@echo 'make fuzz      hostile messages, images, maps, documents, and messages into the running node; SECONDS=60 each'
	@echo 'make hours     eight simulated hours as fast as the node judges: memory, threads, handles, latency; HOURS=8, an hour on two cores'
	@echo 'make loop      a filter of GTSAM in the loop for three simulated hours, and under four attitude errors; an hour on two cores'
	@echo 'make scale     the map store measured: build rate, queries, memory of a build of 1 gigapixel, kills; an hour on two cores'
	@echo 'make mutation  changes to the code that tests have to notice; MUTANTS=400 drawn by SEED=1 of FILES=..., an hour on an idle core'
	@echo 'make weights   train the network of the descriptor promptmid anew; one to three hours on two cores. SMOKE=1: a tiny one, under 3 minutes; OPEN=1: without data of no stated licence'
	@echo 'make calibrate what scores say of places, fitted anew for the descriptors that are shipped; LOOKS=21 a ground, half an hour on two idle cores'
	@echo 'make test      the test suite, all that is not marked long; about 10 minutes on two idle cores'
	@echo 'make test-long the test suite with what is marked long: the same in more cases; a minute more'
	@echo 'make check     ruff, and the tests that are not marked slow; under 2 minutes on two idle cores'
	@echo 'make evo       evo, which is GPL, in a folder of its own, and the test that it finds the position error of a replay'
	@echo 'make test-full a TensorRT-RTX engine of the size of Stable Diffusion 1.5 with DINOv2, without a GPU; needs diffusers'
	@echo 'make lint      ruff, mypy, import-linter'
	@echo 'make lock      locks/ anew from setup.py and constraints.txt: versions with the hashes of their files'
	@echo 'make licences  docs/licences.md anew from the locks and from what is installed'
	@echo 'make sbom      sbom.json, a CycloneDX bill of what .venv holds, or ENVIRONMENT=/path/to/venv'
	@echo 'make clean     remove .venv and everything made'
	@echo
	@echo 'make PYTHON=/path/to/python3 ...   choose the interpreter (3.11 or newer)'

install:
	@.ci/install

demo: install
	.venv/bin/promptmid demo --out demo_out

certify: export OMP_NUM_THREADS = 1
certify: install
	.venv/bin/python -m benchmarks.certify --out certify_out

soak: SECONDS ?= 300
soak: export OMP_NUM_THREADS = 1
soak: install
	.venv/bin/python -m benchmarks.soak --seconds $(SECONDS) --out soak_out

cameras: SECONDS ?= 600
cameras: export OMP_NUM_THREADS = 1
cameras: install
	.venv/bin/python -m benchmarks.cameras --seconds $(SECONDS) --out cameras_out

ROUNDS ?= 500
faults: export OMP_NUM_THREADS = 1
faults: install
	.venv/bin/python -m benchmarks.faults --rounds $(ROUNDS) --out faults_out

fuzz: SECONDS ?= 60
fuzz: export OMP_NUM_THREADS = 1
fuzz: install
	.venv/bin/python -m benchmarks.fuzz --seconds $(SECONDS)

HOURS ?= 8
hours: export OMP_NUM_THREADS = 1
hours: install
	.venv/bin/python -m benchmarks.hours --hours $(HOURS) --out hours_out

# goes on where it was stopped: what loop_out has figures of is not flown again
loop: export OMP_NUM_THREADS = 1
loop: install
	.venv/bin/python -m benchmarks.loop --out loop_out

scale: export OMP_NUM_THREADS = 1
scale: install
	.venv/bin/python -m benchmarks.mapscale --out scale_out

# goes on where it was stopped; the tool is kept apart from what the package needs. MUTANTS=0: all of them
FILES ?=
MUTANTS ?= 400
SEED ?= 1
mutation: export OMP_NUM_THREADS = 1
mutation: export OPENBLAS_NUM_THREADS = 1
mutation: install mutation_out/tool
	.venv/bin/python -m benchmarks.mutation $(FILES) --sample $(MUTANTS) --seed $(SEED) --again --out mutation_out

mutation_out/tool:
	.venv/bin/python -m pip install --quiet --target $@ cosmic-ray==8.7.0

# PROMPTMID_DATA: the folder with data/ and tools/ of the image pairs; the smoke run needs none of it. OPEN=1 leaves out sources whose
# READMEs state no licence; what it trains is then held against the profile that is shipped
WEIGHTS = $(if $(OPEN),weights_out/open,weights_out)
UNLICENSED = ombria-floods
COMMA = ,
SOURCES = $(if $(OPEN),,$(UNLICENSED)$(COMMA))sen12-landuse,sen12-spring90
weights: install
ifdef SMOKE
	.venv/bin/promptmid simulate world --out weights_out/smoke/world --seed 100 --size-px 512
	.venv/bin/promptmid train student --recipe smoke --data weights_out/smoke/world --out weights_out/smoke
else
	@test -n "$$PROMPTMID_DATA" || { echo 'make weights: set PROMPTMID_DATA to the folder that holds data/ and tools/; docs/training.md says what it is' >&2; exit 1; }
	.venv/bin/python "$$PROMPTMID_DATA/tools/register_pairs.py" weights_out/california --split train
	for seed in 100 101 102; do .venv/bin/promptmid simulate world --out weights_out/world-$$seed --seed $$seed --size-px 1024; done
	.venv/bin/promptmid train student --data weights_out/california "$$PROMPTMID_DATA/data" weights_out/world-100 weights_out/world-101 \
		weights_out/world-102 --sources $(SOURCES) --out $(WEIGHTS)
ifdef OPEN
	.venv/bin/python "$$PROMPTMID_DATA/tools/register_pairs.py" weights_out/eval --split eval
	.venv/bin/promptmid bench weights_out/eval --trials 600 --methods promptmid,promptmid:$(WEIGHTS)/compact
	.venv/bin/promptmid bench "$$PROMPTMID_DATA/data" --sources ombria-2021 --trials 600 --methods promptmid,promptmid:$(WEIGHTS)/compact
endif
endif

# the chips of California that are not in the map of Los Angeles, which the product is judged on, and three worlds
CHIPS = 003 014 015 019 021 035 046 059 073 087 088 089 101 102 156 162 163 168 171 172 175 188 189 196 199 202 208
WORLDS = 301 302 303
LOOKS ?= 21
GROUNDS = $(addprefix calibrate_out/chip_,$(CHIPS)) $(addprefix calibrate_out/world_,$(WORLDS))
calibrate: export OMP_NUM_THREADS = 1
calibrate: install
	@test -n "$$PROMPTMID_DATA" || { echo 'make calibrate: set PROMPTMID_DATA to the folder that holds data/ and tools/' >&2; exit 1; }
	for chip in $(CHIPS); do .venv/bin/python "$$PROMPTMID_DATA/tools/make_geotiffs.py" "$$PROMPTMID_DATA/data/train/s1s2-california" \
		calibrate_out/chip_$$chip --chips $$chip || exit 1; done
	for seed in $(WORLDS); do .venv/bin/promptmid simulate world --out calibrate_out/world_$$seed --seed $$seed --size-px 1024 || exit 1; done
	for name in structural promptmid; do .venv/bin/promptmid calibrate descriptor $(GROUNDS) --descriptor $$name --looks $(LOOKS) \
		--work calibrate_out/maps || exit 1; done

# the test processes share the cores, so each keeps to one thread
test test-long check: export OMP_NUM_THREADS = 1
test test-long check: export OPENBLAS_NUM_THREADS = 1
test test-long check: export OPENCV_FOR_THREADS_NUM = 1
# what pytest makes of the test files, and every module that a test's own processes load, is compiled once and kept
test test-long check: export PYTHONDONTWRITEBYTECODE =
# four processes on two cores, as two or so wait for a node at any time; files in the order of test/conftest.py
PYTEST = .venv/bin/python -m pytest -q -rsR -n 4 --dist loadfile --no-loadscope-reorder
test: install
	$(PYTEST) -m 'not long'

test-long: install
	$(PYTEST)

# under 2 minutes on two idle cores: 190 s of processor time
check: ruff
	$(PYTEST) -m 'not slow and not long and not real_data'

# kept apart from what the package needs and from its environment
evo: install evo_out/bin/evo_ape
	PROMPTMID_EVO=$(CURDIR)/evo_out .venv/bin/python -m pytest -q -rs test/test_results.py

evo_out/bin/evo_ape:
	.venv/bin/python -m venv evo_out
	evo_out/bin/pip install --quiet evo==1.31.1

test-full: install
	.venv/bin/python test/full_size.py full_out

lint: ruff mypy layers

ruff: install
	.venv/bin/python -m ruff check .

mypy: install
	@.ci/typings
	.venv/bin/python -m mypy --strict promptmid_core promptmid_ros

layers: install
	.venv/bin/lint-imports --no-logo

lock: install
	.venv/bin/python .ci/lock.py

licences: install
	.venv/bin/python .ci/licences.py > licences.made
	mv licences.made docs/licences.md

ENVIRONMENT ?= .venv
sbom: install
	.venv/bin/python .ci/sbom.py "$(ENVIRONMENT)" sbom.json

clean:
	rm -rf .venv sbom.json demo_out evo_out full_out certify_out soak_out cameras_out faults_out fuzz_out hours_out loop_out scale_out mutation_out weights_out calibrate_out build install log promptmid_ros.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
