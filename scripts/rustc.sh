#!/bin/sh
# How cargo calls the compiler (`rustc-wrapper` in .cargo/config.toml). What is built for speed is built by a
# profile of the program under load, which takes a third off a request and a tenth off the program
# (docs/performance.md). Nobody has to know: a compiler that cannot use the profile builds without it.
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
  # Cargo builds anew what is older than what it was built from, and another call may do the same just now.
  touch -r "$packed" "$plain.$$"
  mv "$plain.$$" "$plain"
fi

# What never runs need not be fast, and is not inlined into itself; what runs seldom is made small, however small
# the whole is.
set -- "$@" -C "profile-use=$plain" -C llvm-args=-inlinecold-threshold=5 \
  -C llvm-args=-inline-cold-callsite-threshold=5 -C llvm-args=-pgso-lwss-only=false

# Relocations that the loader reads from a thirtieth of the room: since version 2.36 of the C library.
case " $* " in
*" --target "*) ;;
*" --crate-type bin "*)
  library=$(getconf GNU_LIBC_VERSION 2>/dev/null)
  least=$(printf '%s\n' "glibc 2.36" "$library" | sort -V | head -n 1)
  [ "$least" = "glibc 2.36" ] && set -- "$@" -C link-arg=-Wl,-z,pack-relative-relocs
  ;;
esac
exec "$@"
