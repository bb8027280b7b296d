#!/bin/sh
# How cargo calls the compiler (`rustc-wrapper` in .cargo/config.toml). What is built for speed is built by a
# profile of the program under load, which takes more than a third off a request (docs/performance.md). Nobody has
# to know: a compiler that cannot use the profile builds without it.
#
# GATEWAY_PROFILE=off       does not use it
# GATEWAY_PROFILE=generate  builds a program that writes one (scripts/profile.sh)
case " $* " in
*" opt-level=3 "*) ;;
*) exec "$@" ;;
esac

case "${GATEWAY_PROFILE:-use}" in
off) exec "$@" ;;
generate) exec "$@" -C profile-generate ;;
esac

root=$(cd "${0%/*}/.." && pwd)
packed=$root/pgo/gateway.profdata.xz
folder=${CARGO_TARGET_DIR:-$root/target}
plain=$folder/gateway.profdata
if [ ! -e "$plain" ] || [ "$packed" -nt "$plain" ]; then
  mkdir -p "$folder"
  if ! xz -dc "$packed" >"$plain.$$" 2>/dev/null; then
    rm -f "$plain.$$"
    exec "$@"
  fi
  mv "$plain.$$" "$plain"
fi
exec "$@" -C "profile-use=$plain"
