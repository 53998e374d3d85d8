# The front door. `make` alone lists what there is.

# The demo prints a line for each of the three programs behind cmake.
PACKAGES_RUN  := cmake sip-tester sipsak baresip-core
PACKAGES_TEST := kamailio tshark chromium chromium-driver python3-venv

# Debian's own interpreter is the one that python3-venv belongs to.
PYTHON  ?= $(firstword $(wildcard /usr/bin/python3) python3)
VENV    := .venv/installed
CARGO   ?= cargo
TARGET  := $(or $(CARGO_TARGET_DIR),target)
INSTALL := ./loadtest/install.sh

# The functional suite waits for networks more than for processors.
export RUST_TEST_THREADS ?= 6

.PHONY: help deps deps-run run lint test bench load

help:
	@echo 'make run     build in release mode and start the demo on 127.0.0.1'
	@echo 'make test    everything: format, lints, unit tests, the functional suite, the browser'
	@echo 'make bench   the benches'
	@echo 'make load    complete calls through the release build: make load CALLS=15000 RATE=1000'
	@echo 'make lint    format and lints only'
	@echo 'make deps    install what the above need (apt-get, as root or through sudo)'

deps: deps-run
	@$(INSTALL) $(PACKAGES_TEST)
	@$(MAKE) --no-print-directory $(VENV)

deps-run:
	@$(INSTALL) $(PACKAGES_RUN)

$(VENV): loadtest/python/requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

run: deps-run
	$(CARGO) build --release --locked -p hookswitch
	$(TARGET)/release/hookswitch demo

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

# One build serves every test: the suite finds the binary beside itself.
test: deps lint
	$(CARGO) build --workspace --bins --tests --locked
	$(CARGO) test --workspace --locked --no-fail-fast

bench: deps-run
	$(CARGO) bench --locked -p hookswitch-benches

CALLS ?= 15000
RATE  ?= 1000

load: deps
	$(CARGO) build --release --locked -p hookswitch -p hookswitch-loadtest
	$(TARGET)/release/load $(CALLS) $(RATE)
