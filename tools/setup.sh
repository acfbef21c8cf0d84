#!/bin/sh
# Installs what building and testing need and what is not there yet; says what and why. Quick when nothing is missing.
#   tools/setup.sh build   what the executable needs
#   tools/setup.sh test    that, and what the tests need
#   tools/setup.sh interop that, and the software of other people that the tests run with (Java, Maven, Node.js)
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say ""; say "setup: $1"; shift; for line in "$@"; do say "       $line"; done; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# Debian packages that are missing, and why each is wanted.
packages=""
want() { # command package reason
    if ! has "$1"; then
        say "setup: $2 is missing: $3"
        packages="$packages $2"
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif [ -t 0 ]; then sudo "$@"
    else sudo -n "$@"
    fi
}

install_packages() {
    [ -n "$packages" ] || return 0
    has apt-get || fail "this is no Debian: please install what is named above with your own package manager, then try again." \
        "Debian calls it:$packages"
    if [ "$(id -u)" != 0 ] && ! has sudo; then
        fail "installing needs root, and there is no sudo. As root:" "apt-get install$packages"
    fi
    say "setup: installing$packages"
    # The list of packages may be empty or old, so a first failure is no failure yet.
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages >&2 </dev/null 2>/dev/null ||
        { as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2 &&
          as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages >&2 </dev/null; } ||
        fail "apt-get could not install$packages" \
            "If it says 'Could not resolve' or 'Failed to fetch': this machine has no network." \
            "If it says 'could not get lock': another installation runs; wait for it, then try again."
}

check_rust() {
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    has cargo || fail "Rust is missing. Get it from https://rustup.rs:" \
        "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" \
        "then open a new shell and try again. (Debian's own package is too old: at least $wanted is needed.)"
    found=$(rustc --version | sed 's/^rustc \([0-9.]*\).*/\1/')
    oldest=$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)
    [ "$oldest" = "$wanted" ] || fail "Rust $found is too old: at least $wanted is needed." \
        "With rustup: rustup update stable"
}

fetch_crates() {
    host=$(rustc -vV | sed -n 's/^host: //p')
    cargo fetch --locked --offline --target "$host" >/dev/null 2>&1 && return 0
    say "setup: fetching the libraries that Cargo.lock names (once)"
    cargo fetch --locked --target "$host" -q ||
        fail "the libraries could not be fetched. Is there a network? Is the registry of Rust crates reachable from here?"
}

rust_component() { # cargo-subcommand component
    cargo "$1" --version >/dev/null 2>&1 && return 0
    if has rustup; then
        say "setup: installing the Rust component $2"
        rustup component add "$2" >&2 || true
    fi
    cargo "$1" --version >/dev/null 2>&1 || say "setup: $2 is not available here; its check will be left out"
}

aiocoap() {
    target/venv/bin/python3 -c 'import aiocoap' >/dev/null 2>&1 && return 0
    say "setup: making target/venv with aiocoap: a CoAP implementation that is not ours, for the tests"
    mkdir -p target
    python3 -m venv target/venv || fail "python3 -m venv failed; on Debian: apt-get install python3-venv"
    target/venv/bin/pip install -q 'aiocoap>=0.4.12,<0.5' >&2 ||
        fail "aiocoap could not be installed. Is there a network? Is the Python package index reachable from here?"
}

foreign_clients() {
    target/venv/bin/python3 -c 'import paho.mqtt.client' >/dev/null 2>&1 || {
        say "setup: adding paho-mqtt to target/venv: an MQTT client that is not ours"
        target/venv/bin/pip install -q 'paho-mqtt>=2.1,<3' >&2 || fail "paho-mqtt could not be installed. Is there a network?"
    }
    target/venv/bin/python3 -c 'import DTLSSocket' >/dev/null 2>&1 || {
        say "setup: adding DTLSSocket to target/venv: DTLS for aiocoap"
        target/venv/bin/pip install -q 'DTLSSocket>=0.2.3,<0.3' >&2 ||
            fail "DTLSSocket could not be built. It needs a compiler, Python's headers (python3-dev) and a network."
    }
    wanted=integration_tests/foreign/package.json
    cmp -s "$wanted" target/node/installed.json || {
        say "setup: installing into target/node what $wanted names: lwm2m-node-lib, MQTT.js"
        mkdir -p target/node
        cp "$wanted" target/node/package.json
        (cd target/node && npm install --no-audit --no-fund --silent >&2) ||
            fail "npm could not install what $wanted names. Is there a network?"
        cp "$wanted" target/node/installed.json
    }
}

needs="${1:-build}"
case "$needs" in build | test | interop) ;; *) fail "unknown: $1 (build, test or interop)" ;; esac

want cc build-essential "the compiler for the C libraries inside (OpenSSL, paho)"
want cmake cmake "builds the MQTT library (paho)"
want perl perl "configures OpenSSL"
want pkg-config pkg-config "finds system libraries"
if [ "$needs" != build ]; then
    # Debian keeps it where ordinary users do not look.
    PATH="$PATH:/usr/sbin"
    want mosquitto mosquitto "the MQTT broker that the tests run against (Debian also starts it as a service on port 1883)"
    want coap-client-openssl libcoap3-bin "CoAP tools that are not ours, for the tests"
    want python3 python3 "runs aiocoap, for the tests"
    has python3 && python3 -c 'import ensurepip' >/dev/null 2>&1 || packages="$packages python3-venv"
fi
if [ "$needs" = interop ]; then
    want javac openjdk-17-jdk-headless "compiles and runs Leshan, the reference client of LwM2M"
    want mvn maven "fetches Leshan and builds the programs made with it"
    want node nodejs "runs lwm2m-node-lib and MQTT.js"
    want npm npm "fetches them"
    want aclocal automake "builds DTLSSocket, with which aiocoap speaks DTLS"
fi
install_packages
check_rust
fetch_crates
if [ "$needs" != build ]; then
    rust_component fmt rustfmt
    rust_component clippy clippy
    aiocoap
fi
if [ "$needs" = interop ]; then foreign_clients; fi
