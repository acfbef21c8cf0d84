# The commands of this project. Each sets up what it needs; `make` alone says what there is.
SHELL := /bin/sh
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin
CARGO ?= cargo

.PHONY: help run build test interop bench bench-leshan bench-parts fuzz format lint package clean

help:
	@echo "make run      see it work: gateway, built-in broker, three simulated devices; Ctrl-C ends it"
	@echo "make test     formatting, lints, all tests; installs what they need"
	@echo "make interop  tests with Leshan, aiocoap, libcoap, lwm2m-node-lib, other brokers and MQTT clients; writes docs/interop.md"
	@echo "make bench    what messages, commands and idle devices cost, against mosquitto"
	@echo "make bench-leshan  the same load on the gateway and on Leshan's server library"
	@echo "make bench-parts  what single parts cost: a datagram, a body in each format, a message"
	@echo "make fuzz     every fuzz target for a minute (SECONDS=n for another time); needs a nightly compiler"
	@echo "make build    the release executable: target/release/lwm2m-gateway"
	@echo "make package  target/package/lwm2m-gateway-VERSION-ARCH.tar.gz"
	@echo "make clean    remove everything that was built"

run: build
	@exec target/release/lwm2m-gateway demo --config conf/demo.toml

build:
	@tools/setup.sh build
	@test -x target/release/lwm2m-gateway || echo "Building; the first time takes a few minutes."
	@$(CARGO) build --release --locked --quiet --bin lwm2m-gateway

test:
	@tools/setup.sh test
	@$(MAKE) --no-print-directory format lint
	@# The tests of the root package have built the executable by the time that the black-box tests look for it.
	LWM2M_GATEWAY_BIN="$(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug/lwm2m-gateway" $(CARGO) test --workspace --locked --no-fail-fast

# The table is written whatever came out; the exit status is that of the tests.
interop:
	@tools/setup.sh interop
	@$(CARGO) build --locked --quiet --bin lwm2m-gateway
	@rm -f target/interop/results.jsonl
	@LWM2M_INTEROP=all LWM2M_GATEWAY_BIN="$(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug/lwm2m-gateway" \
	 $(CARGO) test --package integration_tests --locked --no-fail-fast \
	 --test leshan --test foreign_coap --test foreign_mqtt --test foreign_node --test foreign_dtls --test dtls; \
	 status=$$?; $(CARGO) run --locked --quiet --package integration_tests --bin interop-table && exit $$status

bench: build
	@tools/setup.sh test
	@$(CARGO) run --release --locked --quiet --package integration_tests --bin gateway-bench -- $(BENCH)

bench-leshan: build
	@tools/setup.sh interop
	@LWM2M_GATEWAY_BIN="$(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/release/lwm2m-gateway" \
	 $(CARGO) run --release --locked --quiet --package integration_tests --bin leshan-bench -- $(BENCH)

bench-parts:
	@tools/setup.sh build
	@$(CARGO) bench --locked --quiet -p coap -p lwm2m -p contract --benches -- --warm-up-time 1 --measurement-time 2 >/dev/null
	@tools/bench_parts.py

fuzz:
	@tools/setup.sh build
	@tools/fuzz.sh $(or $(SECONDS),60)

format:
	@if $(CARGO) fmt --version >/dev/null 2>&1; then set -x; $(CARGO) fmt --all --check; \
	 else echo "formatting NOT checked: rustfmt is not available"; fi

lint:
	@if $(CARGO) clippy --version >/dev/null 2>&1; then set -x; $(CARGO) clippy --workspace --all-targets --locked -- -D warnings; \
	 else echo "lints NOT checked: clippy is not available"; fi

package: build
	@tools/package.sh

clean:
	$(CARGO) clean
