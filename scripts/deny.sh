#!/usr/bin/env bash
# Checks licences, sources and wildcards of all dependencies against deny.toml, and advisories where
# the advisory database is on this machine (`cargo deny fetch db` brings it; this script does not).
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo deny --version >/dev/null 2>&1; then
  echo "deny: cargo-deny is missing; installing it (about four minutes on two cores)"
  target="$(mktemp -d)"
  trap 'rm -rf "$target"' EXIT
  cargo install cargo-deny --version '^0.20' --locked --quiet --target-dir "$target"
fi

echo "deny: bans, licenses, sources"
cargo deny --locked --workspace check --hide-inclusion-graph bans licenses sources

databases="${CARGO_HOME:-$HOME/.cargo}/advisory-dbs"
if compgen -G "$databases/*" >/dev/null; then
  echo "deny: advisories"
  cargo deny --locked --workspace check --disable-fetch --hide-inclusion-graph advisories
else
  echo "deny: advisories SKIPPED: no advisory database here; where there is network, 'cargo deny fetch db' brings it"
fi
