#!/usr/bin/env bash
# Runs the tests with a Redis and a Postgres of their own, which it starts on free ports with temporary
# data and stops at the end. What is missing is installed from Debian's packages. Arguments go to the
# test runner; the exit code is its own. `--run COMMAND …` runs something else beside the two.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "test: $*"; }
fail() { echo "test: $*" >&2; exit 1; }

# Prints the folder of Postgres's programs, which Debian keeps off PATH.
postgres_folder() {
  local folder
  for folder in $(compgen -G '/usr/lib/postgresql/*/bin' | sort -rV || true) $(tr : ' ' <<<"$PATH"); do
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && [ -x "$folder/pg_ctl" ]; then
      echo "$folder"
      return
    fi
  done
}

install_missing() {
  local missing=() postgres=postgresql
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v make >/dev/null || missing+=(make)
  command -v redis-server >/dev/null && command -v redis-cli >/dev/null || missing+=(redis-server)
  if [ -z "$(postgres_folder)" ]; then
    grep -qs 'VERSION_CODENAME=bookworm' /etc/os-release && postgres=postgresql-15
    missing+=("$postgres")
  fi
  [ ${#missing[@]} -eq 0 ] && return
  say "missing: ${missing[*]}"
  command -v apt-get >/dev/null ||
    fail "there is no apt-get here; install these by hand (Debian's names): ${missing[*]}"
  [ "$(id -u)" -eq 0 ] ||
    fail "installing needs root; run: sudo apt-get install -y ${missing[*]}"
  say "installing them with apt-get"
  # RUNLEVEL=1 keeps the packages from starting servers of their own.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  apt-get update -qq || fail "apt-get update failed; install these by hand: ${missing[*]}"
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "apt-get install failed; install these by hand: ${missing[*]}"
}

# Prints a loopback port that nothing listens on.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    if ! (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

# Runs a command as a user whom Postgres accepts: it refuses to run as root.
as_postgres() {
  if [ "$(id -u)" -ne 0 ]; then
    "$@"
  elif command -v runuser >/dev/null; then
    runuser -u "$owner" -- "$@"
  else
    su -s /bin/sh "$owner" -c "$(printf '%q ' "$@")"
  fi
}

redis_process=
postgres_runs=
stop() {
  local code=$?
  trap - EXIT
  if [ -n "$redis_process" ]; then
    kill "$redis_process" 2>/dev/null || true
    wait "$redis_process" 2>/dev/null || true
  fi
  if [ -n "$postgres_runs" ]; then
    (cd / && as_postgres "$programs/pg_ctl" -D "$data/postgres" -m immediate -s stop) >/dev/null 2>&1 || true
  fi
  rm -rf "$data"
  exit "$code"
}

start_redis() {
  local attempt
  for attempt in 1 2 3; do
    redis_port="$(free_port)"
    redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$data/redis" --save '' --appendonly no \
      >"$data/redis.log" 2>&1 &
    redis_process=$!
    for _ in $(seq 100); do
      [ "$(redis-cli -p "$redis_port" ping 2>/dev/null || true)" = PONG ] && kill -0 "$redis_process" 2>/dev/null && return
      kill -0 "$redis_process" 2>/dev/null || break
      sleep 0.1
    done
    say "redis-server did not start on port $redis_port (attempt $attempt)"
  done
  cat "$data/redis.log" >&2
  fail "redis-server does not start"
}

start_postgres() {
  local attempt
  (cd / && as_postgres "$programs/initdb" -D "$data/postgres" -U postgres -A trust -E UTF8 --locale=C --no-sync) \
    >"$data/initdb.log" 2>&1 || { cat "$data/initdb.log" >&2; fail "initdb failed"; }
  for attempt in 1 2 3; do
    postgres_port="$(free_port)"
    if (cd / && as_postgres "$programs/pg_ctl" -D "$data/postgres" -l "$data/postgres/log" -w -t 60 -s -o \
      "-p $postgres_port -h 127.0.0.1 -k '' -c fsync=off -c synchronous_commit=off -c full_page_writes=off" start) \
      </dev/null >/dev/null 2>&1; then
      postgres_runs=1
      return
    fi
    say "postgres did not start on port $postgres_port (attempt $attempt)"
  done
  cat "$data/postgres/log" >&2
  fail "postgres does not start"
}

command -v cargo >/dev/null || fail "cargo is missing; install Rust (https://rustup.rs)"
install_missing
programs="$(postgres_folder)"
[ -n "$programs" ] || fail "Postgres is installed, but its programs are not where Debian puts them"

data="$(mktemp -d)"
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$data/redis" "$data/postgres"
owner=postgres
if [ "$(id -u)" -eq 0 ]; then
  id "$owner" >/dev/null 2>&1 || owner=nobody
  chmod 711 "$data"
  chown "$owner" "$data/postgres"
fi
start_redis
start_postgres
export TEST_REDIS_URL="redis://127.0.0.1:$redis_port"
export TEST_DATABASE_URL="postgres://postgres@127.0.0.1:$postgres_port/postgres"
say "TEST_REDIS_URL=$TEST_REDIS_URL TEST_DATABASE_URL=$TEST_DATABASE_URL"

if [ "${1:-}" = --run ]; then
  shift
  "$@"
elif cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked "$@"
else
  cargo test --locked "$@"
fi
