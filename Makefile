# The front door. `make` alone lists what there is.

# The demo prints a line for each of the three programs behind cmake.
PACKAGES_RUN  := cmake sip-tester sipsak baresip-core espeak-ng
PACKAGES_TEST := kamailio tshark chromium chromium-driver python3-venv lame pocketsphinx pocketsphinx-en-us
PACKAGES_GATE := valgrind
# Parsers in C beside ours; pkg-config finds them.
PACKAGES_PEERS := libosip2-dev libsofia-sip-ua-dev pkg-config
# The media relay beside ours, for `make load PROFILE=media SUBJECT=rtpengine`.
PACKAGES_RELAY := rtpengine-daemon

# Debian's own interpreter is the one that python3-venv belongs to.
PYTHON  ?= $(firstword $(wildcard /usr/bin/python3) python3)
VENV    := .venv/installed
CARGO   ?= cargo
TARGET  := $(or $(CARGO_TARGET_DIR),target)
INSTALL := ./loadtest/install.sh

# The runner has to be of the very version of the library.
GUNGRAUN_VERSION := $(shell sed -n '/^name = "gungraun"$$/{n;s/^version = "\(.*\)"$$/\1/p}' Cargo.lock)
GUNGRAUN := $(abspath $(TARGET))/tools/gungraun-$(GUNGRAUN_VERSION)/bin/gungraun-runner
COUNTS   := $(TARGET)/instructions.json

# The functional suite waits for networks more than for processors.
export RUST_TEST_THREADS ?= 6

.PHONY: help deps deps-run run lint test bench bench-peers bench-table gate accept-instructions count load load-list \
	load-report load-build tuned

help:
	@echo 'make run     build in release mode and start the demo on 127.0.0.1'
	@echo 'make tuned   the build to deploy, compiled twice: the second time for what the first did under load; 20 minutes'
	@echo 'make test    everything: format, lints, unit tests, the functional suite, the browser'
	@echo 'make bench   the benches; bench-peers: other parsers beside ours'
	@echo 'make gate    instruction counts against benches/instructions.toml; accept-instructions moves it'
	@echo 'make load    a load profile through the release build: make load PROFILE=mixed (make load-list: which there are)'
	@echo 'make load PROFILE=media   500 calls that play and record for a minute; SUBJECT=rtpengine: the same sound through it'
	@echo 'make load-report   Hookswitch beside its peers, 25 minutes of an idle machine, after make tuned; QUICK=1: 5 minutes'
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
	@$(MAKE) --no-print-directory gate

bench: deps-run
	$(CARGO) bench --locked -p hookswitch-benches $(BENCHES:%=--bench %)
	@$(MAKE) --no-print-directory bench-table

bench-peers:
	@$(INSTALL) $(PACKAGES_PEERS)
	$(CARGO) bench --locked -p hookswitch-bench-peers --features peers
	@$(CARGO) run --quiet --locked -p hookswitch-bench-tools --bin table peers

bench-table:
	@$(CARGO) run --quiet --locked -p hookswitch-bench-tools --bin table

# The same on every run, on a busy machine too: valgrind counts instructions.
count: $(GUNGRAUN)
	@$(INSTALL) $(PACKAGES_GATE)
	PATH="$(dir $(GUNGRAUN)):$$PATH" $(CARGO) bench --locked -p hookswitch-benches --no-default-features \
		--bench instructions -- --output-format=json >$(COUNTS)

gate: count
	$(CARGO) run --quiet --locked -p hookswitch-bench-tools --bin gate check $(COUNTS)

accept-instructions: count
	$(CARGO) run --quiet --locked -p hookswitch-bench-tools --bin gate accept $(COUNTS)

$(GUNGRAUN):
	$(CARGO) install --quiet --locked --debug gungraun-runner --version =$(GUNGRAUN_VERSION) \
		--root $(abspath $(TARGET))/tools/gungraun-$(GUNGRAUN_VERSION)

PROFILE ?= steady
ENGINE  ?=
SUBJECT ?= hookswitch
QUICK   ?=
ONLY    ?=

load: deps load-build
ifeq ($(PROFILE) $(SUBJECT),media rtpengine)
	@$(INSTALL) $(PACKAGES_RELAY)
	$(TARGET)/release/media rtpengine
else ifeq ($(PROFILE),media)
	$(TARGET)/release/media
else
	$(TARGET)/release/load profile $(PROFILE) --subject $(SUBJECT) $(if $(ENGINE),--engine $(ENGINE))
endif

load-list: load-build
	$(TARGET)/release/load list

# A look, or a part, takes the tuned build that is there.
load-report: deps load-build $(if $(QUICK)$(ONLY),,tuned)
	$(TARGET)/release/load report $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

# The build to deploy: a profile of the first build under load says to the second what is hot and where its branches go.
# Both are compiled for a target by name, so that the flags leave build scripts alone.
PROFILING := $(abspath $(TARGET))/profiling
HOST       = $(shell rustc -vV | sed -n 's/^host: //p')
PROFDATA   = $(shell rustc --print target-libdir)/../bin/llvm-profdata
TRAINING   = HOOKSWITCH=$< LLVM_PROFILE_FILE=$(PROFILING)/raw/%p.profraw $(TARGET)/release

tuned: deps $(TARGET)/tuned/hookswitch

# Copied where it is another one only: what follows from it is as good as it was.
$(PROFILING)/hookswitch: load-build
	RUSTFLAGS=-Cprofile-generate $(CARGO) build --release --locked -p hookswitch --target $(HOST) --target-dir $(PROFILING)/first
	@cmp -s $(PROFILING)/first/$(HOST)/release/hookswitch $@ || cp $(PROFILING)/first/$(HOST)/release/hookswitch $@

# A build that counts is slower: a bound of the load that it misses (exit code 1) is no failure.
$(PROFILING)/hookswitch.profdata: $(PROFILING)/hookswitch
	@[ -x $(PROFDATA) ] || rustup component add llvm-tools
	rm -rf $(PROFILING)/raw
	$(TRAINING)/load profile everything || [ $$? = 1 ]
	$(TRAINING)/load profile reinvites || [ $$? = 1 ]
	$(TRAINING)/media 60 15 || [ $$? = 1 ]
	$(PROFDATA) merge -o $@ $(PROFILING)/raw/*.profraw

# Cargo does not see that a profile has changed.
$(TARGET)/tuned/hookswitch: $(PROFILING)/hookswitch.profdata
	rm -rf $(PROFILING)/second
	RUSTFLAGS=-Cprofile-use=$< $(CARGO) build --release --locked -p hookswitch --target $(HOST) --target-dir $(PROFILING)/second
	mkdir -p $(@D)
	cp $(PROFILING)/second/$(HOST)/release/hookswitch $@

load-build:
	$(CARGO) build --release --locked -p hookswitch -p hookswitch-loadtest
