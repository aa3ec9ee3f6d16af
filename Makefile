# Every target is one command of the program; nothing works only through make.
# Works with GNU make 3.81 (macOS) and later.

PYTHON ?= python3
PY := .venv/bin/python
PRACTICALS := $(PY) -m practicals
READY := .venv/.ready

# A practical is what has a config: a new one needs no new target.
NAMES := $(patsubst configs/%.yaml,%,$(wildcard configs/*.yaml))
TUNE := $(addprefix tune-,$(NAMES))
EXPLAIN := $(addprefix explain-,$(NAMES))
NOTEBOOK := $(addprefix notebook-,$(NAMES))

# make churn SEED=1 SET="epochs=20 dropout=0.3" ARGS="--data sample"
OPTIONS = $(if $(SEED),--seed $(SEED)) $(foreach setting,$(SET),--set $(setting)) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup offline-kit data all compare test test-slow test-browser check results bench clean $(NAMES) $(TUNE) $(EXPLAIN) $(NOTEBOOK)

help:
	@echo 'Practicals (each creates .venv first, which takes some minutes the first time):'
	@for name in $(NAMES); do printf '  make %-16s %s\n' "$$name" "train, compare with the baselines, report"; done
	@echo '  make tune-NAME        search for better settings; TRIALS=3 for a short search'
	@echo '  make explain-NAME     explain the newest run of a practical'
	@echo '  make notebook-NAME    write the practical as a notebook'
	@echo '  make all              every practical, then the comparison'
	@echo '  make compare          compare the finished runs'
	@echo '  make data             fetch and verify the data'
	@echo 'Working on the code:'
	@echo '  make setup            create .venv only; KIT=PATH installs from a kit, without a network'
	@echo '  make offline-kit      collect packages, data and weights for machines without a network'
	@echo '  make test             the fast tests'
	@echo '  make test-slow        the slow tests: full-size training'
	@echo '  make test-browser     look at the pages in Chromium, where there is one'
	@echo '  make check            ruff and mypy, exactly as CI runs them'
	@echo '  make results RUNS=DIR  write the table of results in the README from finished runs'
	@echo '  make bench            measure speeds against the usual notebooks, and write the table of them'
	@echo '  make clean            remove .venv and caches; runs/ stays'
	@echo 'Options: SEED=1  SET="epochs=20 dropout=0.3"  TRIALS=10  ARGS="--data sample"  PYTHON=python3.12'

# Without a network: make setup KIT=PATH, where PATH is a folder that `make offline-kit` has made elsewhere.
setup: $(READY)
	$(if $(KIT),$(PRACTICALS) kit "$(KIT)" --use)

$(READY): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "$(PYTHON): not found. Install Python 3.11, 3.12 or 3.13, or name one: make setup PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "$(PYTHON): is $$("$(PYTHON)" --version 2>&1). Python 3.11, 3.12 or 3.13 is needed; name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@[ -z "$(KIT)" ] || [ -f "$(KIT)/kit.json" ] || { \
	  echo "$(KIT): is no finished kit, kit.json is missing. Make one with a network: make offline-kit" >&2; exit 1; }
	@[ -z "$(KIT)" ] || "$(PYTHON)" -c 'import json, platform, sys, sysconfig; kit = json.load(open(sys.argv[1])); \
	  want = kit["python"], kit["platform"]; have = ".".join(platform.python_version_tuple()[:2]), sysconfig.get_platform(); \
	  sys.exit(0 if want == have else "%s: is for Python %s on %s, and this is %s on %s" % (sys.argv[1], *want, *have))' \
	  "$(KIT)/kit.json"
	@echo "Creating .venv with $$("$(PYTHON)" --version 2>&1)." >&2
	@"$(PYTHON)" -m venv .venv
	@extras=dev; \
	if [ -z "$(KIT)" ] && nvidia-smi -L >/dev/null 2>&1; then \
	  extras=dev,gpu; echo "NVIDIA driver found: the CUDA libraries are installed too (several GB)." >&2; fi; \
	echo "Installing TensorFlow, Keras and the rest into .venv. This takes some minutes, once." >&2; \
	$(PY) -m pip install --quiet --disable-pip-version-check \
	  $(if $(KIT),--no-index --find-links "$(KIT)/wheels") --constraint constraints.txt --editable ".[$$extras]"
	@touch $@
	@echo "Done." >&2

offline-kit: $(READY)
	$(PRACTICALS) kit "$(or $(KIT),dist/offline-kit)" $(ARGS)

data: $(READY)
	$(PRACTICALS) data $(ARGS)

$(NAMES): $(READY)
	$(PRACTICALS) run $@ $(OPTIONS)

$(TUNE): tune-%: $(READY)
	$(PRACTICALS) tune $* $(if $(TRIALS),--trials $(TRIALS)) $(OPTIONS)

$(EXPLAIN): explain-%: $(READY)
	$(PRACTICALS) explain $* $(ARGS)

$(NOTEBOOK): notebook-%: $(READY)
	$(PRACTICALS) notebook $* $(ARGS)

all: $(NAMES)
	$(PRACTICALS) compare

compare: $(READY)
	$(PRACTICALS) compare $(ARGS)

test: $(READY)
	$(PY) -m pytest -m "not slow" -n 2 --dist loadfile $(ARGS)

test-slow: $(READY)
	$(PY) -m pytest -m slow $(ARGS)

test-browser: $(READY)
	$(PY) -m pytest tests/browser $(ARGS)

check: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

results: $(READY)
	$(PY) tests/results.py $(RUNS)

bench: $(READY)
	PYTHONPATH=tests $(PY) -m bench $(ARGS)

clean:
	rm -rf .hypothesis .venv build dist .pytest_cache .mypy_cache .ruff_cache
	find practicals tests -name __pycache__ -type d -prune -exec rm -rf {} +
