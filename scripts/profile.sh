#!/usr/bin/env bash
# Makes pgo/gateway.profdata.xz anew: builds the program so that it counts what it does, lets the comparison and the
# tests of what clients see drive it, and puts the counts together. Takes about twenty minutes. Run it before a
# release, with the compiler that the release is built by: a profile fits one version of it.
# Usage: scripts/profile.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# Any that knows the format; the compiler's own comes with `rustup component add llvm-tools`.
merge=
for name in "$(rustc --print sysroot)"/lib/rustlib/*/bin/llvm-profdata llvm-profdata-{22,21,20,19} llvm-profdata; do
  if command -v "$name" >/dev/null; then merge=$name; break; fi
done
if [ -z "$merge" ]; then
  echo "profile: llvm-profdata is missing; run \`rustup component add llvm-tools\` or install Debian's llvm-19" >&2
  exit 1
fi

target="$(pwd)/${CARGO_TARGET_DIR:-target}"
work="$target/counts"
rm -rf "$work"
mkdir -p "$work"

# As users build it, the one package alone: other features of what it depends on give its functions other names, and the
# profile fits none of them.
GATEWAY_PROFILE=generate LLVM_PROFILE_FILE=/dev/null \
  cargo build --release --locked --target-dir "$target/counting" -p ai-gateway --bin gateway
cargo build --release --locked -p compare --bins
cargo build --locked -p ai-gateway --bin gateway

# Those who drive it end what they started by SIGKILL, and a program that is killed writes no counts. So it is
# nobody's child, and ends properly as soon as its stand-in is gone.
cat >"$work/gateway" <<STAND_IN
#!/usr/bin/env bash
LLVM_PROFILE_FILE="$work/%4m.profraw" setsid -f bash -c '
  "$target/counting/release/gateway" "\${@:2}" & gateway=\$!
  while kill -0 "\$1" 2>/dev/null && kill -0 \$gateway 2>/dev/null; do sleep 0.1; done
  kill -TERM \$gateway 2>/dev/null; wait
' stand-in \$\$ "\$@"
trap 'exit 0' TERM
while sleep 0.1; do :; done
STAND_IN
chmod +x "$work/gateway"

"$target/release/load" --gateway "$work/gateway" --quick --markdown "$work/comparison.md"
# Some look at the process that they have started, which is another one here, and fail.
GATEWAY_TEST_BINARY="$work/gateway" scripts/test.sh --no-fail-fast --retries 0 \
  -E 'binary(it) and test(/^(matrix|recordings|translation|streaming|caching|bodies|routing|resume|retries)::/)' || true
sleep 10

"$merge" merge -o "$work/gateway.profdata" "$work"/*.profraw
mkdir -p pgo
xz -9e -c "$work/gateway.profdata" >pgo/gateway.profdata.xz
ls -l pgo/gateway.profdata.xz
