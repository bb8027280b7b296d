"""Runs real client SDKs against the gateway, and the gateway against recorded providers.

    python3 tests/sdk/run.py [--client NAME …] [--backend NAME …] [--check NAME …] [--json FILE]

Installs the SDKs under target/sdk, starts the scripted provider and the gateway (GATEWAY_BIN, else
target/debug/gateway), lets every client do every check on every back end, and prints what failed and a
table. Exits 1 if anything failed.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLACE = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "sdk"

sys.path.insert(0, str(HERE))
import expectations  # noqa: E402
import scenarios  # noqa: E402


def install() -> None:
    """The SDKs at the versions of the lock files; again when those change."""
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("python", "langchain"):
        # Two environments: LangChain wants older SDKs than there are.
        wanted, folder = HERE / f"requirements-{name}.txt", PLACE / name
        if is_new(folder, wanted):
            print(f"sdk: installing {wanted.name}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin/pip", "install", "-q", "--no-deps", "-r", wanted], check=True)
            mark(folder, wanted)
    folder, wanted = PLACE / "node", HERE / "node" / "package-lock.json"
    folder.mkdir(exist_ok=True)
    # Modules are found beside the file that imports them.
    for file in (HERE / "node").iterdir():
        shutil.copy(file, folder)
    if is_new(folder, wanted):
        print(f"sdk: installing {wanted.name}", flush=True)
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=folder, check=True)
        mark(folder, wanted)


def is_new(folder: Path, wanted: Path) -> bool:
    done = folder / ".installed"
    return not done.exists() or done.read_text() != digest(wanted)


def mark(folder: Path, wanted: Path) -> None:
    (folder / ".installed").write_text(digest(wanted))


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def process(command: list, **options):
    """A child that ends with the block."""
    child = subprocess.Popen([str(part) for part in command], text=True, **options)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()


@contextmanager
def upstream():
    """The scripted provider; its address."""
    with process([sys.executable, HERE / "upstream.py"], stdout=subprocess.PIPE) as child:
        yield f"http://127.0.0.1:{child.stdout.readline().strip()}"


@contextmanager
def gateway(upstream_url: str, rate_limit_status: int):
    """A gateway with one provider per back end, no client key; its address."""
    binary = Path(os.environ.get("GATEWAY_BIN") or ROOT / "target/debug/gateway")
    folder = Path(tempfile.mkdtemp(prefix="sdk-", dir=PLACE))
    config = {
        "listen": {"address": "127.0.0.1", "port": 0, "admin_port": 0},
        "data_dir": str(folder / "data"),
        "errors": {"provider_rate_limit_status": rate_limit_status},
        # Each failure is told as it comes: nothing is asked twice, and nobody left alone.
        "routing": {"retries": {"max": 0}, "breaker": {"enabled": False}},
        "providers": {
            name: {
                "kind": backend.kind or name,
                "base_url": upstream_url + backend.base,
                "api_key": f"key-of-{name}",
                **({"settings": {"region": "us-east-1", "access_key_id": "AKIDEXAMPLE"}} if name == "bedrock" else {}),
            }
            for name, backend in scenarios.BACKENDS.items()
        },
    }
    file = folder / "gateway.yaml"
    # JSON is YAML.
    file.write_text(json.dumps(config, indent=2))
    log = folder / "gateway.log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with log.open("w") as output, process([binary, "start", "--config", file], stdout=output, stderr=output, env=environment) as child:
        yield address(child, log)
    shutil.rmtree(folder)


def address(child: subprocess.Popen, log: Path) -> str:
    """Where the gateway listens, once it does."""
    for _ in range(200):
        said = log.read_text()
        for port in re.findall(r"127\.0\.0\.1:(\d+)", said):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2).read()
                return f"http://127.0.0.1:{port}"
            except OSError:
                continue
        if child.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"sdk: the gateway did not start:\n{log.read_text()}")


def run_client(name: str, cases: list[dict], gateway_url: str, timeout: float) -> dict[str, dict]:
    """What the client saw in each case."""
    facts = expectations.CLIENTS[name]
    if facts.language == "node":
        command = ["node", PLACE / "node" / f"{facts.file}.mjs", facts.variant]
    else:
        command = [PLACE / facts.language / "bin/python", HERE / "python" / f"{facts.file}.py", facts.variant]
    environment = {**os.environ, "SDK_GATEWAY": gateway_url, "GOOGLE_GEMINI_BASE_URL": gateway_url, "LANGSMITH_TRACING": "false", "AI_SDK_LOG_WARNINGS": "false"}
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    try:
        done = subprocess.run([str(part) for part in command], input=lines, capture_output=True, text=True,
                              env=environment, timeout=timeout)  # fmt: skip
        output, trouble = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        output, trouble = (late.stdout or b"").decode(), f"not done after {timeout} s"
    if os.environ.get("SDK_TRACE"):
        print(trouble, file=sys.stderr)
    said = {}
    for line in output.splitlines():
        if line.startswith('{"id":'):
            answer = json.loads(line)
            said[answer["id"]] = answer
    for case in cases:
        nothing = {"class": ["AssertionError"], "status": None, "message": f"the suite said nothing: {trouble[-400:]}"}
        said.setdefault(case["id"], {"error": nothing})
    return said


def run(clients: list[str], backends: list[str], checks: list, gateway_url: str, results: list[dict]) -> None:
    for client in clients:
        todo = {}
        for backend in backends:
            for check in checks:
                if made := expectations.case_of(client, backend, check):
                    todo[made[0]["id"]] = (backend, check, *made)
        if not todo:
            continue
        started = time.monotonic()
        said = run_client(client, [case for _, _, case, _ in todo.values()], gateway_url, 120 + len(todo))
        failed = 0
        for name, (backend, check, _, expected) in todo.items():
            wrong = expectations.judge(client, backend, check, expected, said[name])
            known = expectations.KNOWN.get((client, backend, check.name)) if wrong else None
            if wrong and not known:
                failed += 1
                print(f"FAIL {client} → {backend}, {check.name}: {'; '.join(wrong)}", flush=True)
            mark = "known" if known else "FAIL" if wrong else "ok"
            results.append({"client": client, "backend": backend, "check": check.name, "mark": mark, "wrong": wrong})
        print(f"sdk: {client}: {len(todo) - failed} of {len(todo)} in {time.monotonic() - started:.0f} s", flush=True)


def report(results: list[dict]) -> None:
    """A table for each client."""
    columns = list(dict.fromkeys(result["check"] for result in results))
    cells = {(result["client"], result["backend"], result["check"]): result["mark"] for result in results}
    for client in dict.fromkeys(result["client"] for result in results):
        used = [column for column in columns if any(key[0] == client and key[2] == column for key in cells)]
        print("\n" + " ".join([f"{client:<24}", *used]))
        for backend in dict.fromkeys(key[1] for key in cells if key[0] == client):
            row = [f"{cells.get((client, backend, column), '–'):<{len(column)}}" for column in used]
            print(" ".join([f"  {backend:<22}", *row]))
    for place, reason in expectations.KNOWN.items():
        if cells.get(place) == "known":
            print(f"\nknown: {' '.join(place)}: {reason}", end="")
    marks = Counter(result["mark"] for result in results)
    print(f"\n\nsdk: {marks['ok']} checks hold, {marks['FAIL']} fail, {marks['known']} fail for the client's own reasons")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", nargs="+", default=list(expectations.CLIENTS), help="a client, or the beginning of its name")
    parser.add_argument("--backend", nargs="+", default=list(scenarios.BACKENDS), choices=list(scenarios.BACKENDS))
    parser.add_argument("--check", nargs="+", default=None)
    parser.add_argument("--json", help="a file for the results")
    wanted = parser.parse_args()
    clients = [name for name in expectations.CLIENTS if any(name.startswith(start) for start in wanted.client)]
    checks = [check for check in expectations.CHECKS if not wanted.check or check.name in wanted.check]
    install()
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results: list[dict] = []
    with upstream() as upstream_url:
        with gateway(upstream_url, 429) as url:
            run(clients, wanted.backend, checks, url, results)
        if not wanted.check or expectations.LIMITED.name in wanted.check:
            with gateway(upstream_url, 502) as url:
                run(clients, wanted.backend, [expectations.LIMITED], url, results)
    report(results)
    if wanted.json:
        Path(wanted.json).write_text(json.dumps(results, indent=1))
    return 1 if any(result["mark"] == "FAIL" for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
