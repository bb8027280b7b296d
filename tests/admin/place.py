"""What the checks of the admin interface run in: a scripted provider, and a gateway on a store of its own."""

import json
import os
import re
import subprocess
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
PLACE = TARGET / "admin"

MASTER = "sk-master-canary-7f3a91"
PROVIDER_KEY = "provider-canary-52c0"
ENCRYPTION_KEY = "0f" * 32


@dataclass
class Gateway:
    """Where it is reached, and what it has written."""

    client: str
    admin: str
    binary: Path
    config: Path
    environment: dict
    log: Path

    def run(self, *arguments: str, stdin: str = "") -> str:
        """What a command of the gateway's prints."""
        command = [self.binary, arguments[0], *arguments[1:], "--config", self.config]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=self.environment)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout


class Provider(BaseHTTPRequestHandler):
    """Answers every chat."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        answer = {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        }
        self.reply(answer)

    def do_GET(self):
        self.reply({"object": "list", "data": []})

    def reply(self, answer: dict) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def provider():
    """The scripted provider; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()


@contextmanager
def gateway(provider_url: str, database: str | None):
    """A gateway whose client port has LiteLLM's management routes, on SQLite or on a Postgres."""
    PLACE.mkdir(parents=True, exist_ok=True)
    binary = Path(os.environ.get("GATEWAY_BIN") or TARGET / "debug/gateway")
    with tempfile.TemporaryDirectory(prefix="run-", dir=PLACE) as folder:
        config, log = Path(folder) / "gateway.yaml", Path(folder) / "gateway.log"
        # JSON is YAML.
        config.write_text(json.dumps({
            "listen": {"address": "127.0.0.1", "port": 0, "admin_port": 0, "management_routes": True},
            "data_dir": f"{folder}/data",
            "auth": {"master_key": MASTER},
            "providers": {"openai": {"base_url": provider_url, "api_key": PROVIDER_KEY, "models": ["gpt-4o", "gpt-4o-mini"]}},
        }))
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "GATEWAY_ENCRYPTION_KEY": ENCRYPTION_KEY}
        if database:
            environment["GATEWAY_DATABASE_URL"] = database
        with log.open("w") as output:
            child = subprocess.Popen([binary, "start", "--config", config], stdout=output, stderr=output, env=environment)
            try:
                client, admin = addresses(child, log)
                yield Gateway(client, admin, binary, config, environment, log)
                assert child.poll() is None, f"the gateway has ended:\n{log.read_text()[-4000:]}"
            finally:
                child.terminate()
                try:
                    child.wait(10)
                except subprocess.TimeoutExpired:
                    child.kill()


def addresses(child: subprocess.Popen, log: Path) -> tuple[str, str]:
    """Where the gateway listens for clients and for administrators, once its store is open."""
    for _ in range(600):
        found = {}
        for port in dict.fromkeys(re.findall(r"127\.0\.0\.1:(\d+)", log.read_text())):
            url = f"http://127.0.0.1:{port}"
            # Only the admin port has the document; both have the check of readiness.
            is_admin = status(f"{url}/admin/openapi.json") == 200
            if is_admin:
                found["admin"] = url
            elif status(f"{url}/ready") == 200:
                found["client"] = url
        if len(found) == 2 and store_is_up(found["admin"]):
            return found["client"], found["admin"]
        if child.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"admin: the gateway did not start:\n{log.read_text()}")


def store_is_up(admin: str) -> bool:
    with urllib.request.urlopen(f"{admin}/metrics", timeout=5) as answer:
        return "gateway_store_up 1" in answer.read().decode()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
