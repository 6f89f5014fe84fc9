# mjcourse: `make` alone lists what there is. Each target installs what is missing into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := "$(BIN)/python" -m pytest
NBVAL := $(PYTEST) -p benchmarks.chapter_times --nbval-lax --nbval-current-env --nbval-cell-timeout=300

# Taken as typed: prompts hold quotes, commas and dollar signs, so neither make nor the shell expands them.
override PROMPT := $(value PROMPT)
override OUT := $(or $(value OUT),out.png)
override SEED := $(value SEED)
export PROMPT OUT SEED
export COURSE := $(CURDIR)
export PYTHONUTF8 := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The stamp holds the folder's path: a course that was moved is installed again, in seconds.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

.DEFAULT_GOAL := help
PROFILE ?= cpu

.PHONY: help install lab imagine doctor test test-chapters times test-full test-gpu exercises bundle grade lint clean check-prompt check-gpu

help:
	@echo 'mjcourse: build your own miniature Midjourney'
	@echo ''
	@echo '  make lab                  open the course in JupyterLab at chapter 00'
	@echo '  make imagine PROMPT="…"   write four pictures to out.png; also OUT=FILE and SEED=N'
	@echo '  make doctor               check this machine, name what is missing and the remedy'
	@echo '  make test                 tests and every chapter, 20 to 35 minutes on two cores'
	@echo '  make test-full            the long tests and the solutions too; an hour or more'
	@echo '  make test-gpu             the chapters in the gpu profile, with a dated record'
	@echo '  make times                time every chapter in the cpu profile, for the README'
	@echo '  make exercises            make exercises/ from solutions/; for those who write them'
	@echo '  make bundle               pack the course for students, without solutions; for teachers'
	@echo '  make grade ASSIGNMENT=02_vae   grade the hand-ins in submitted/, in a closed room; for teachers'
	@echo '  make lint                 style check, seconds'
	@echo '  make clean                remove caches; keeps .venv and what you trained in runs/'
	@echo ''
	@echo 'Each installs what is missing into .venv: the first time a few minutes and about 6 GB.'

install: $(STAMP)

# A .venv whose Python has gone (moved folder, removed Python) is made anew; a good one is kept.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	if ! "$(BIN)/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  for py in "$(PYTHON)" python3.14 python3.13 python3.12 python3.11 none; do \
	    if [ "$$py" = none ]; then \
	      echo 'mjcourse needs Python 3.11 or newer, and "$(PYTHON)" is not: install one, or name it: make PYTHON=/path/to/python3.12' >&2; \
	      exit 2; \
	    fi; \
	    if "$$py" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
	  done; \
	  if ! "$$py" -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "$$py cannot make virtual environments: install its venv part (Debian, Ubuntu: sudo apt-get install python3-venv)" >&2; \
	    exit 2; \
	  fi; \
	  echo "Making .venv with $$py (seconds) …"; \
	  "$$py" -m venv --clear "$(VENV)"; \
	fi
	@echo 'Installing the packages into .venv (a few minutes and about 6 GB the first time, seconds after that) …'
	@"$(BIN)/python" -m pip install --quiet --progress-bar off -c constraints.txt -e '.[test]' || { \
	  echo 'The packages could not be installed (pip says why above). No network, or a proxy? See "Troubleshooting" in README.md.' >&2; \
	  exit 2; }
	@printf '%s\n' "$$COURSE" > "$(STAMP)"

lab: $(STAMP)
	@echo 'Opening JupyterLab at chapter 00 (seconds); Ctrl-C here stops it.'
	@"$(BIN)/mjcourse" lab $(ARGS)

check-prompt:
	@if [ -z "$$PROMPT" ]; then \
	  echo 'PROMPT is empty: make imagine PROMPT="a red sun over the sea, sandy beach" (or PROMPT="太阳沙滩大海")' >&2; \
	  exit 2; \
	fi

imagine: check-prompt $(STAMP)
	@echo 'Drawing four pictures (about ten seconds) …'
	@set --; if [ -n "$$SEED" ]; then set -- --seed "$$SEED"; fi; \
	"$(BIN)/mjcourse" imagine -o "$$OUT" "$$@" -- "$$PROMPT"

doctor: $(STAMP)
	@"$(BIN)/mjcourse" doctor

# The tests compute with one thread each, so two run side by side; what the second line prints would be lost there.
# The chapters compute with all cores: two trainings side by side on two cores are slower than in a row.
test: $(STAMP)
	@echo 'Tests of the package, and every wrong and every other right answer to the exercises (minutes) …'
	@$(PYTEST) -q -n 2 --dist worksteal -m 'not slow' -k 'not corpus_is_large_enough' --durations=15 tests
	@$(PYTEST) -q -k corpus_is_large_enough tests/test_exercises.py
	@$(MAKE) --no-print-directory test-chapters

test-chapters: $(STAMP)
	@echo 'Every chapter, run from the top in the ci profile (at most 30 seconds each) …'
	@MJCOURSE_PROFILE=ci $(NBVAL) -q --durations=5 notebooks

times: $(STAMP)
	@echo 'Every chapter in the $(PROFILE) profile, timed for the README (PROFILE=ci for the other column) …'
	@MJCOURSE_TIMES=benchmarks/chapter_times.json MJCOURSE_PROFILE=$(PROFILE) $(NBVAL) -q $(or $(CHAPTERS),notebooks)

test-full: $(STAMP)
	@echo 'All tests, the long ones too, then chapters and solutions (an hour or more on two cores) …'
	@$(PYTEST) -q --durations=10 tests
	@MJCOURSE_PROGRESS=off MJCOURSE_PROFILE=ci $(NBVAL) -q --durations=5 notebooks $(wildcard solutions/*/*.ipynb)

check-gpu: $(STAMP)
	@"$(BIN)/python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || { \
	  echo 'make test-gpu needs an NVIDIA GPU that torch can use; `make doctor` shows what it finds here.' >&2; \
	  exit 2; }

test-gpu: check-gpu
	@echo 'Every chapter in the gpu profile (at most 2 minutes each); the record goes to benchmarks/ …'
	@mkdir -p benchmarks; record="benchmarks/gpu-$$(date +%Y-%m-%d).txt"; status=0; \
	"$(BIN)/python" -c 'import platform, torch; print(torch.cuda.get_device_name(), "torch", torch.__version__, "Python", platform.python_version())' > "$$record"; \
	git log -1 --format='commit %h of %cs' >> "$$record" 2>/dev/null || true; \
	MJCOURSE_PROFILE=gpu $(NBVAL) -q --no-header --durations=0 --tb=short notebooks >> "$$record" 2>&1 || status=$$?; \
	cat "$$record"; echo "Written to $$record"; exit $$status

exercises: $(STAMP)
	@echo 'Making exercises/ from solutions/ (seconds) …'
	@"$(BIN)/python" scripts/build_exercises.py

bundle: $(STAMP)
	@echo 'Packing the course for students (seconds) …'
	@"$(BIN)/python" scripts/build_bundle.py

grade: $(STAMP)
	@if [ -z "$(ASSIGNMENT)" ]; then echo 'Which assignment? For instance: make grade ASSIGNMENT=02_vae' >&2; exit 2; fi
	@"$(BIN)/python" scripts/grade_class.py "$(ASSIGNMENT)"

lint: $(STAMP)
	@echo 'Style check (seconds) …'
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .

clean:
	@echo 'Removing caches (they are rebuilt when needed); .venv and runs/ stay.'
	@rm -rf .cache .pytest_cache .ruff_cache .hypothesis build
	@find . -path './$(VENV)' -prune -o -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +
