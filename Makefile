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

.PHONY: help deps deps-run run lint test bench load load-list load-report load-build

help:
	@echo 'make run     build in release mode and start the demo on 127.0.0.1'
	@echo 'make test    everything: format, lints, unit tests, the functional suite, the browser'
	@echo 'make bench   the benches'
	@echo 'make load    a load profile through the release build: make load PROFILE=mixed (make load-list: which there are)'
	@echo 'make load-report   Hookswitch beside its peers, 25 minutes of an idle machine; QUICK=1: 4 minutes'
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

PROFILE ?= steady
ENGINE  ?=
SUBJECT ?= hookswitch
QUICK   ?=
ONLY    ?=

load: deps load-build
	$(TARGET)/release/load profile $(PROFILE) --subject $(SUBJECT) $(if $(ENGINE),--engine $(ENGINE))

load-list: load-build
	$(TARGET)/release/load list

load-report: deps load-build
	$(TARGET)/release/load report $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

load-build:
	$(CARGO) build --release --locked -p hookswitch -p hookswitch-loadtest
