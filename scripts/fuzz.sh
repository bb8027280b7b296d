#!/usr/bin/env bash
# Runs each fuzz target for SECONDS (30 unless given) on the stable toolchain, without a sanitizer.
# It begins with recorded traffic (scripts/fuzz_seeds.py) and fuzz/seeds; what it finds worth keeping goes to
# fuzz/corpus.
# Usage: scripts/fuzz.sh [SECONDS] [TARGET…]
#        scripts/fuzz.sh --check     only compiles them, as far as it takes to see that they fit the code
set -euo pipefail
cd "$(dirname "$0")/.."

# The coverage that guides it is of another program than the profile is.
export GATEWAY_PROFILE=off

if ! command -v c++ >/dev/null; then
  echo "fuzz: libFuzzer is built from source and needs a C++ compiler; install one (Debian: apt-get install g++)" >&2
  [ "${1:-}" = --check ] && exit 0
  exit 1
fi
# A workspace of its own, of the same versions.
cp Cargo.lock fuzz/Cargo.lock
if [ "${1:-}" = --check ]; then
  exec env CARGO_TARGET_DIR="$PWD/target" cargo check --manifest-path fuzz/Cargo.toml --bins
fi

seconds="${1:-30}"
shift || true

if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: cargo-fuzz is missing; installing it"
  cargo install cargo-fuzz --locked
fi

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(cargo fuzz list)
fi
recorded=fuzz/target/recorded
rm -rf "$recorded"
python3 scripts/fuzz_seeds.py "$recorded"
for target in "${targets[@]}"; do
  echo "fuzz: $target for $seconds s"
  corpus="fuzz/corpus/$target"
  mkdir -p "$corpus" "$recorded/$target"
  seeds="fuzz/seeds/$target"
  [ -d "$seeds" ] || seeds=
  cargo fuzz run "$target" -s none "$corpus" "$recorded/$target" $seeds -- \
    -max_total_time="$seconds" -max_len=65536 -timeout=10
done
