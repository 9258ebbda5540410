# Every target sets up what it needs in .venv: a machine needs Python 3.11 or newer, Rust and this folder.
# `make demo` and `make test` are the two to start with; `make check` is exactly what continuous integration runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# maturin asks these two where to install; the second would win over ours inside a Conda shell.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport CONDA_PREFIX
# Everybody's tools are of one version: a newer linter or type checker is taken up by `make constraints`.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 1

RUST_FILES := Cargo.toml Cargo.lock $(shell find rust/src -type f)
FUZZ_TARGETS := condition event job record reply
MINUTES ?= 10
SEEDS ?= 20
STEPS ?= 2000

.DEFAULT_GOAL := help
.PHONY: help demo test build wheel fmt lint types reference docs property model faults soak fuzz bench sabotage check constraints clean

help: ## say what there is to make
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(VENV)/.extension ## publish orders, kill the worker half-way, and show that nothing was lost
	$(BIN)/python -m examples.demo

test: $(VENV)/.extension $(VENV)/.test ## run the tests of the Rust core and of the package
	cargo test --quiet
	$(BIN)/pytest

build: $(VENV)/.extension ## build the extension for daily work, into the source tree

wheel: $(VENV)/.build ## build the release wheel into dist/, and try it where there is no Rust
	rm -rf dist $(VENV)/trial
	$(BIN)/maturin build --release --out dist
	$(PYTHON) -m venv $(VENV)/trial
	PATH=/usr/bin:/bin $(VENV)/trial/bin/python -m pip install dist/*.whl
	sed -n '/^```python$$/,/^```$$/{/^```/d;p;}' README.md | $(VENV)/trial/bin/python -W error -
	rm -rf $(VENV)/trial

fmt: $(VENV)/.lint ## format Python and Rust
	$(BIN)/ruff check --quiet --select I --fix .
	$(BIN)/ruff format .
	cargo fmt

lint: $(VENV)/.lint ## check formats and lints
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	cargo fmt --check
	cargo clippy --quiet --all-targets -- -D warnings
	cargo clippy --quiet --all-targets --features python -- -D warnings

types: $(VENV)/.extension $(VENV)/.test $(VENV)/.lint ## check the types, and the stub against the built extension
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/python -m mypy.stubtest fraiseql_observers._core

reference: $(VENV)/.extension ## write the reference pages again from the code
	$(BIN)/python -m tools.reference

docs: $(VENV)/.docs ## build the documentation into site/; a broken link is an error
	$(BIN)/zensical build --strict --clean

property: $(VENV)/.extension $(VENV)/.test ## run the property tests with many more examples
	HYPOTHESIS_PROFILE=long $(BIN)/pytest tests/property --timeout 3600

model: $(VENV)/.extension $(VENV)/.test ## hold the queue to its model for SEEDS=20 runs of STEPS=2000
	OBSERVERS_MODEL_SEEDS=$(SEEDS) OBSERVERS_MODEL_STEPS=$(STEPS) $(BIN)/pytest tests/property/test_queue_model_long.py

# A row that cannot run here counts as not passed, and its line of the table says why.
faults: $(VENV)/.extension $(VENV)/.test ## run the whole catalogue of faults, for an hour or so, and show the table, which goes to target/faults.md too
	$(BIN)/pytest tests --long -m row --timeout 600 --catalogue target/faults.md

# A random mix of everything, by a seed that it tells; files, threads and memory of a worker must not grow.
soak: $(VENV)/.extension $(VENV)/.test ## break everything at random for MINUTES=10
	TESTS_SOAK_MINUTES=$(MINUTES) $(BIN)/pytest tests/faults/test_soak.py --long -s

# No code of ours is unsafe, so a sanitizer would only slow it down; overflows of integers are caught (-a).
fuzz: ## look for inputs that break the core, MINUTES=10 for each target; needs cargo-fuzz and a nightly Rust
	@cargo fuzz --version >/dev/null 2>&1 || { echo "make fuzz needs cargo-fuzz: cargo install cargo-fuzz"; exit 1; }
	@cargo +nightly --version >/dev/null 2>&1 || { echo "make fuzz needs a nightly Rust: rustup toolchain install nightly"; exit 1; }
	set -e; for target in $(FUZZ_TARGETS); do \
		mkdir -p rust/fuzz/corpus/$$target; \
		cargo +nightly fuzz run --fuzz-dir rust/fuzz -O -a --sanitizer none $$target \
			rust/fuzz/corpus/$$target rust/tests/fuzz_seeds/seeds/$$target -- -dict=rust/fuzz/dictionaries/$$target.dict \
			-max_total_time=$$(( $(MINUTES) * 60 )) -max_len=4200 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1; \
	done

bench: $(VENV)/.extension ## measure, and say what machine it was
	$(BIN)/python benches/micro/conditions.py
	$(BIN)/python benches/system/enqueue_drain.py
	$(BIN)/python benches/system/latency.py

sabotage: $(VENV)/.extension $(VENV)/.test ## plant mistakes, one by one, and see that a test catches each
	$(BIN)/python -m tests.sabotage

check: lint types docs $(VENV)/.extension $(VENV)/.test ## run what continuous integration runs
	$(BIN)/python benches/micro/conditions.py --quick
	$(BIN)/python benches/system/enqueue_drain.py --quick
	$(BIN)/python benches/system/latency.py --quick
	cargo test --quiet
	$(BIN)/pytest

constraints: ## take up the newest versions of everything that is installed
	rm -rf $(VENV)
	$(MAKE) PIP_CONSTRAINT= $(VENV)/.extension $(VENV)/.test $(VENV)/.lint $(VENV)/.docs
	$(BIN)/pip freeze --all --exclude-editable --exclude fraiseql-observers --exclude setuptools > constraints.txt

clean: ## remove what was built
	rm -rf $(VENV) target dist site python/fraiseql_observers/_core.*so

# The stamps below are made once, and again when what they depend on changes.

$(VENV)/.pip: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install 'pip>=25.1'
	@touch $@

$(VENV)/.build $(VENV)/.test $(VENV)/.lint $(VENV)/.docs: $(VENV)/.%: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --group $*
	@touch $@

$(VENV)/.extension: $(VENV)/.build $(RUST_FILES)
	$(BIN)/maturin develop --quiet --extras embedded,cli
	@touch $@
