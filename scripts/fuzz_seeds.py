#!/usr/bin/env python3
"""Writes what the fuzz targets begin with, from the recorded traffic of providers and the configurations.

Usage: scripts/fuzz_seeds.py FOLDER: one folder in it for each target, one file for each input.
"""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Inputs name a dialect by its place in the registry.
REGISTRY = (ROOT / "src/dialects/mod.rs").read_text()
DIALECTS = re.findall(r'"(\w+)"', re.search(r"pub const NAMES[^;]*;", REGISTRY)[0])
SPOKEN = {
    "chat.completions": "openai_chat",
    "responses": "openai_responses",
    "messages": "anthropic",
    "rawPredict": "anthropic",
    "generateContent": "gemini",
    "api.chat": "ollama",
    "v2.chat": "cohere",
    "converse": "bedrock",
}
# libFuzzer is told not to make longer ones.
MOST_BYTES = 65536


def keep(folder, target, data):
    if 0 < len(data) <= MOST_BYTES:
        path = folder / target / hashlib.sha1(data).hexdigest()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def as_bytes(value):
    return value.encode() if isinstance(value, str) else json.dumps(value, ensure_ascii=False).encode()


def main():
    folder = Path(sys.argv[1])
    for path in sorted((ROOT / "tests/fixtures/recordings").glob("*/*.json")):
        recording = json.loads(path.read_text())
        dialect = SPOKEN.get(recording["api"])
        for exchange in recording["exchanges"]:
            request, response = exchange["request"] or {}, exchange["response"]
            if request.get("body") is not None:
                body = as_bytes(request["body"])
                keep(folder, "request_scan", body)
                keep(folder, "splice", body)
                if dialect:
                    which = DIALECTS.index(dialect)
                    # To a server that takes all, and to one that takes little.
                    keep(folder, "dialect_requests", bytes([which, 4]) + body)
                    keep(folder, "dialect_requests", bytes([which, 5]) + body)
            if "body_base64" in response:
                answer = base64.b64decode(response["body_base64"])
            else:
                answer = as_bytes(response.get("body_text", response.get("body")))
            # In pieces of 40 and of 251 bytes.
            keep(folder, "sse_frames", bytes([40]) + answer)
            if dialect:
                which = DIALECTS.index(dialect)
                for caller in range(len(DIALECTS)):
                    keep(folder, "dialect_answers", bytes([which, caller, 251]) + answer)
    for path in [*ROOT.glob("conf/*.yaml"), *ROOT.glob("docs/**/*.yaml")]:
        keep(folder, "config_yaml", path.read_bytes())


main()
