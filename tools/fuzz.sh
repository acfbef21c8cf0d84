#!/bin/sh
# Runs every fuzz target for a bounded time (seconds for each as the first argument). What is found stays in target/fuzz.
set -eu
cd "$(dirname "$0")/.."
seconds="${1:-60}"
case "$seconds" in '' | *[!0-9]*) echo "fuzz: $seconds is not a number of seconds" >&2; exit 64 ;; esac

say() { printf '%s\n' "$*" >&2; }
if ! cargo +nightly --version >/dev/null 2>&1; then
    command -v rustup >/dev/null 2>&1 || { say "fuzz: a nightly compiler is needed; get rustup from https://rustup.rs"; exit 1; }
    say "fuzz: installing the nightly compiler, which the fuzzer needs"
    rustup toolchain install nightly --profile minimal
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    say "fuzz: installing cargo-fuzz"
    cargo install --locked cargo-fuzz
fi

work="$PWD/target/fuzz"
python3 protocol/lwm2m/fuzz/seed.py
for crate in coap lwm2m dtls; do
    for file in protocol/$crate/fuzz/fuzz_targets/*.rs; do
        target=$(basename "$file" .rs)
        seeds="$PWD/protocol/$crate/fuzz/corpus/$target"
        mkdir -p "$work/corpus/$crate/$target" "$work/artifacts/$crate/$target"
        [ -d "$seeds" ] || seeds=
        say "fuzz: $crate $target, $seconds s"
        # New inputs go into the first folder; the seeds are only read.
        # shellcheck disable=SC2086
        (cd "protocol/$crate" && cargo +nightly fuzz run --target-dir "$work/build" "$target" "$work/corpus/$crate/$target" $seeds -- \
            -max_total_time="$seconds" -artifact_prefix="$work/artifacts/$crate/$target/" -print_final_stats=0 -verbosity=0)
    done
done
say "fuzz: nothing found"
