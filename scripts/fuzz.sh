#!/usr/bin/env bash
# Runs each fuzz target for SECONDS (30 unless given) on the stable toolchain, without a sanitizer.
# What it finds worth keeping goes to fuzz/corpus; fuzz/seeds is where it begins.
# Usage: scripts/fuzz.sh [SECONDS] [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/.."

# The coverage that guides it is of another program than the profile is.
export GATEWAY_PROFILE=off

seconds="${1:-30}"
shift || true

if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: cargo-fuzz is missing; installing it"
  cargo install cargo-fuzz --locked
fi
if ! command -v c++ >/dev/null; then
  echo "fuzz: libFuzzer is built from source and needs a C++ compiler; install one (Debian: apt-get install g++)" >&2
  exit 1
fi

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(cargo fuzz list)
fi
for target in "${targets[@]}"; do
  echo "fuzz: $target for $seconds s"
  corpus="fuzz/corpus/$target"
  mkdir -p "$corpus"
  seeds="fuzz/seeds/$target"
  [ -d "$seeds" ] || seeds=
  cargo fuzz run "$target" -s none "$corpus" $seeds -- -max_total_time="$seconds" -max_len=65536 -timeout=10
done
