"""Tries the admin interface with the clients of others, on SQLite and, where TEST_DATABASE_URL names a Postgres, there.

    python3 tests/admin/run.py [--check NAME …] [--store NAME …] [--examples N] [--seed N] [--if-possible]

Checks: `client` is the life of a key by LiteLLM's Python client library, `documented` by LiteLLM's documented curl
calls, `command` by the gateway's own commands, `schemathesis` odd requests made from the OpenAPI document. Each has
a gateway of its own. At the end no secret may be in the log, and the database is its owner's alone. Exits 1 if
anything failed. With `--if-possible` it says so and exits 0 where there is no Python with `venv`, or no registry of
packages is reached.
"""

import argparse
import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import documented  # noqa: E402
import place  # noqa: E402

HERE = Path(__file__).resolve().parent
PYTHON = place.PLACE / "python"
# What a server must not do whatever it is sent, and what the document must know of it. Whether odd input is
# refused is for the gateway's own tests: LiteLLM's routes let pass what they do not know. So are wrong keys.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def missing() -> str | None:
    """Why the clients cannot be installed here, if they cannot."""
    if is_installed():
        return None
    if sys.version_info < (3, 10):
        return f"Python {sys.version.split()[0]} is older than 3.10"
    if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True).returncode != 0:
        return "Python has no `venv`: apt-get install python3-venv"
    PYTHON.parent.mkdir(parents=True, exist_ok=True)
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", PYTHON], capture_output=True, text=True)
    if made.returncode != 0:
        return f"`venv` does not work: {made.stderr.strip()[-200:]}"
    # One small package tells whether a registry is reached.
    with tempfile.TemporaryDirectory() as folder:
        asked = [PYTHON / "bin/pip", "download", "-q", "--no-deps", "--retries", "1", "--timeout", "20", "-d", folder, "idna"]
        try:
            if subprocess.run(asked, capture_output=True, timeout=90).returncode == 0:
                return None
        except subprocess.TimeoutExpired:
            pass
    return "no registry of Python packages is reached"


def is_installed() -> bool:
    done = PYTHON / ".installed"
    return done.exists() and done.read_text() == digest()


def digest() -> str:
    return hashlib.sha256((HERE / "requirements.txt").read_bytes()).hexdigest()


def install() -> None:
    """The clients at the versions of the lock file; again when that changes."""
    if is_installed():
        return
    wanted, began = HERE / "requirements.txt", time.monotonic()
    print(f"admin: installing {wanted.name}", flush=True)
    PYTHON.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", PYTHON], check=True)
    subprocess.run([PYTHON / "bin/pip", "install", "-q", "--no-deps", "-r", wanted], check=True)
    (PYTHON / ".installed").write_text(digest())
    print(f"admin: installed in {time.monotonic() - began:.0f} s", flush=True)


def client(gateway: place.Gateway, _) -> None:
    """By LiteLLM's library, at the client port: it knows one base URL."""
    environment = {**os.environ, "GATEWAY_URL": gateway.client, "GATEWAY_MASTER_KEY": place.MASTER}
    run([PYTHON / "bin/python", HERE / "client.py"], environment)


def by_curl(gateway: place.Gateway, _) -> None:
    """By curl, at both ports."""
    for url in (gateway.admin, gateway.client):
        curl = documented.Curl(url, place.MASTER, gateway.client)
        documented.life(curl)
        documented.groups(curl)
        documented.models(curl)
        documented.reports(curl)


def command(gateway: place.Gateway, _) -> None:
    """By the gateway's own commands, which work on the store: the gateway learns of it within a second."""
    made = json.loads(gateway.run("key", "create", "--label", "by-command", "--models", "gpt-4o", "--json"))
    becomes(gateway, made["key"], 200)
    listed = json.loads(gateway.run("key", "list", "--json"))
    assert [key["label"] for key in listed] == ["by-command"], listed
    assert made["key"] not in json.dumps(listed), "it is shown once"
    gateway.run("key", "update", "by-command", "--block")
    becomes(gateway, made["key"], 401)
    gateway.run("key", "update", "by-command", "--unblock")
    becomes(gateway, made["key"], 200)
    renewed = json.loads(gateway.run("key", "rotate", "by-command", "--json"))["key"]
    becomes(gateway, renewed, 200)
    becomes(gateway, made["key"], 401)
    gateway.run("key", "revoke", "by-command")
    becomes(gateway, renewed, 401)
    assert json.loads(gateway.run("key", "info", "by-command", "--json"))["state"] == "revoked"


def becomes(gateway: place.Gateway, key: str, status: int) -> None:
    """Within a second a chat with this key is answered so."""
    curl = documented.Curl(gateway.client, key)
    chat = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    for attempt in range(20):
        try:
            curl("POST", "/v1/chat/completions", chat, status=status)
            return
        except AssertionError:
            if attempt == 19:
                raise
            time.sleep(0.1)


def schemathesis(gateway: place.Gateway, options) -> None:
    """Odd requests of every kind to every route."""
    command = [
        PYTHON / "bin/schemathesis", "run", f"{gateway.admin}/admin/openapi.json", "--url", gateway.admin,
        "--header", f"Authorization: Bearer {place.MASTER}", "--checks", CHECKS, "--continue-on-failure",
        "--phases", "examples,coverage,fuzzing", "--max-examples", str(options.examples), "--seed", str(options.seed),
        "--suppress-health-check", "all", "--no-shrink", "--warnings", "off", "--max-failures", "60",
        "--request-timeout", "60", "--workers", "2",
    ]
    run(command, dict(os.environ))


def run(command: list, environment: dict) -> None:
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, cwd=place.PLACE)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-12000:]
    print("\n".join(said.splitlines()[-12:]), flush=True)


def nothing_is_told(gateway: place.Gateway) -> None:
    """No secret is in the log, and nobody else reads the database."""
    log = gateway.log.read_text()
    for secret in (place.MASTER, place.PROVIDER_KEY, place.ENCRYPTION_KEY, "sk-canary-cred"):
        assert secret not in log, "a secret is in the log"
    for file in (gateway.config.parent / "data").glob("gateway.db*"):
        mode = stat.S_IMODE(file.stat().st_mode)
        assert mode == 0o600, f"{file.name} is {mode:o}"
        stored = file.read_bytes()
        assert place.PROVIDER_KEY.encode() not in stored and b"sk-canary-cred" not in stored, "a secret is in the database"


def fresh_postgres() -> str | None:
    """A new database on the tests' Postgres; none where there is none."""
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        return None
    name = f"admin_{uuid.uuid4().hex}"
    psql = ["psql", server, "--quiet", "--command", f"CREATE DATABASE {name}"]
    subprocess.run(psql, check=True, capture_output=True)
    return f"{server.rsplit('/', 1)[0]}/{name}"


ALL = {"client": client, "documented": by_curl, "command": command, "schemathesis": schemathesis}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="append", choices=ALL)
    parser.add_argument("--store", action="append", choices=["sqlite", "postgres"])
    parser.add_argument("--examples", type=int, default=40, help="odd requests of each kind to each route")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--if-possible", action="store_true", help="exit 0 where the clients cannot be installed")
    options = parser.parse_args()
    if options.if_possible and (why := missing()):
        print(f"admin: SKIPPED, nothing was tried: {why}")
        return 0
    install()
    stores = options.store or ["sqlite"] + (["postgres"] if os.environ.get("TEST_DATABASE_URL") else [])
    failed = []
    with place.provider() as provider_url:
        for store in stores:
            for name in options.check or ALL:
                database = fresh_postgres() if store == "postgres" else None
                print(f"admin: {name} on {store}", flush=True)
                began = time.monotonic()
                try:
                    with place.gateway(provider_url, database) as gateway:
                        ALL[name](gateway, options)
                        nothing_is_told(gateway)
                    print(f"admin: {name} on {store}: {time.monotonic() - began:.0f} s", flush=True)
                except (AssertionError, subprocess.CalledProcessError) as error:
                    failed.append(f"{name} on {store}")
                    place_of_it = "".join(traceback.format_tb(error.__traceback__)[-2:])
                    print(f"admin: {name} on {store} FAILED\n{place_of_it}{error}", flush=True)
    print(f"admin: failed: {', '.join(failed)}" if failed else f"admin: all is well on {' and '.join(stores)}")
    return 1 if failed else 0


sys.exit(main())
