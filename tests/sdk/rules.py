"""What the real providers refuse. `check` returns the complaint, or None: a translated request that a
provider would not take must fail here, not in production.
"""

import hashlib
import hmac
import json
import re
from urllib.parse import quote

WORD = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")


def names(text: str) -> set:
    return set(text.split())


CHAT_FIELDS = set(
    """model messages stream stream_options temperature top_p n stop max_tokens max_completion_tokens
    presence_penalty frequency_penalty logit_bias logprobs top_logprobs user seed tools tool_choice
    parallel_tool_calls response_format functions function_call reasoning_effort verbosity metadata store
    service_tier modalities audio prediction web_search_options prompt_cache_key prompt_cache_retention
    safety_identifier""".split()
)
FIELDS = {
    "openai/chat": CHAT_FIELDS,
    "azure/chat": CHAT_FIELDS,
    "groq/chat": (CHAT_FIELDS | {"reasoning_format", "include_reasoning"})
    - {"logprobs", "top_logprobs", "logit_bias", "store", "prediction"},
    "mistral/chat": set(
        """model messages stream temperature top_p n stop max_tokens random_seed presence_penalty
        frequency_penalty tools tool_choice parallel_tool_calls response_format prediction safe_prompt
        prompt_mode reasoning_effort guardrails""".split()
    ),
    "anthropic": set(
        """model messages max_tokens system stream temperature top_p top_k stop_sequences tools tool_choice
        thinking metadata service_tier container mcp_servers context_management output_format output_config
        cache_control inference_geo speed""".split()
    ),
    "gemini": set(
        """contents systemInstruction system_instruction tools toolConfig tool_config safetySettings
        safety_settings generationConfig generation_config cachedContent cached_content labels model
        serviceTier service_tier store""".split()
    ),
    "cohere": set(
        """model messages stream tools documents citation_options response_format safety_mode max_tokens
        stop_sequences temperature seed frequency_penalty presence_penalty k p logprobs tool_choice thinking
        strict_tools priority raw_prompting""".split()
    ),
    "responses": set(
        """model input instructions stream stream_options temperature top_p top_logprobs max_output_tokens
        max_tool_calls tools tool_choice parallel_tool_calls text reasoning include metadata store user
        previous_response_id conversation truncation service_tier background prompt prompt_cache_key
        prompt_cache_retention safety_identifier context_management""".split()
    ),
    "ollama": set("model messages stream tools format options think keep_alive logprobs top_logprobs".split()),
    "bedrock": set(
        """messages system inferenceConfig toolConfig guardrailConfig additionalModelRequestFields
        additionalModelResponseFieldPaths promptVariables requestMetadata performanceConfig serviceTier
        outputConfig""".split()
    ),
}
# The members of messages, of those who refuse others, `null` included.
MISTRALS = {
    "system": names("role content"),
    "user": names("role content"),
    "assistant": names("role content tool_calls prefix"),
    "tool": names("role content tool_call_id name"),
}
GROQS = dict.fromkeys(MISTRALS, names("role content name tool_calls tool_call_id function_call reasoning"))
MEMBERS = {"mistral": MISTRALS, "groq": GROQS}


class Refused(Exception):
    """What the provider says no to."""


def need(condition, complaint: str) -> None:
    if not condition:
        raise Refused(complaint)


def check(backend: str, dialect: str, operation: str, request) -> str | None:
    """The complaint of `backend` about a request in `dialect`."""
    try:
        credentials(backend, dialect, request)
        body = request.json
        need(isinstance(body, dict), "the body is not a JSON object")
        known = FIELDS.get(f"{backend}/{dialect}") or FIELDS.get(dialect)
        if known and operation == "generate":
            strange = sorted(set(body) - known)
            need(not strange, f"{strange[0] if strange else ''}: Extra inputs are not permitted")
        if operation == "generate" or dialect in ("anthropic", "gemini"):
            RULES[dialect](backend, operation, body)
    except Refused as refused:
        return str(refused)
    return None


def credentials(backend: str, dialect: str, request) -> None:
    headers = request.headers
    key = f"key-of-{backend}"
    if dialect == "bedrock":
        signature(request, key)
    elif dialect == "anthropic" and backend == "anthropic":
        need(headers.get("x-api-key") == key, "x-api-key header is required")
        need(headers.get("anthropic-version"), "anthropic-version: header is required")
    elif backend == "gemini" and dialect == "gemini":
        need(headers.get("x-goog-api-key") == key, "Method doesn't allow unregistered callers")
        need("key=" not in request.query, "a key in the query as well")
    elif backend == "gemini":
        given = headers.get("x-goog-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        need(given == key, "Missing or invalid Authorization header")
    elif backend == "azure":
        need(headers.get("api-key") == key, "Access denied due to missing subscription key")
        if dialect == "chat":
            need("api-version=" in request.query, "Resource not found: api-version is missing")
    else:
        need(headers.get("authorization") == f"Bearer {key}", "no bearer token")


def signature(request, key: str) -> None:
    """AWS Signature Version 4, computed again."""
    given = request.headers.get("authorization", "")
    found = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/(\w+)/aws4_request, ?"
                     r"SignedHeaders=([^,]+), ?Signature=(\w+)$", given)  # fmt: skip
    need(found, "Missing Authentication Token")
    _, day, region, service, signed, theirs = found.groups()
    hash_of_body = hashlib.sha256(request.body).hexdigest()
    # The path as sent, each segment encoded once more.
    path = quote(request.path, safe="/-_.~")
    values = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in signed.split(";"))
    canonical = "\n".join(["POST", path, request.query, values, signed, hash_of_body])
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", request.headers.get("x-amz-date", ""), scope,
         hashlib.sha256(canonical.encode()).hexdigest()]  # fmt: skip
    )
    secret = f"AWS4{key}".encode()
    for part in (day, region, service, "aws4_request"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    ours = hmac.new(secret, to_sign.encode(), hashlib.sha256).hexdigest()
    need(ours == theirs, "The request signature we calculated does not match the signature you provided.")


def follows(calls: list, results: list, what: str) -> None:
    """Every call of a turn has one result in the next, and nothing else has."""
    missing, strange = set(calls) - set(results), set(results) - set(calls)
    need(not missing, f"{what}: calls without results: {sorted(missing)}")
    need(not strange, f"{what}: results without calls: {sorted(strange)}")
    need(len(results) == len(set(results)), f"{what}: two results of one call")


def closed(schema, where: str) -> None:
    """What OpenAI's strict mode asks of a schema."""
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" or "properties" in schema:
        need(schema.get("additionalProperties") is False, f"{where}: 'additionalProperties' is required to be false")
        names = set(schema.get("properties") or {})
        need(set(schema.get("required") or []) == names, f"{where}: 'required' must hold every property")
        for name, inner in (schema.get("properties") or {}).items():
            closed(inner, f"{where}.{name}")
    if isinstance(schema.get("items"), dict):
        closed(schema["items"], f"{where}[]")


def chat(backend: str, operation: str, body: dict) -> None:
    need(isinstance(body.get("model"), str), "you must provide a model parameter")
    messages = body.get("messages")
    need(isinstance(messages, list) and messages, "'messages' is a required property")
    need(body.get("stream") or "stream_options" not in body, "'stream_options' is only allowed when 'stream' is on")
    roles = {"system", "user", "assistant", "tool"} | ({"developer"} if backend in ("openai", "azure") else set())
    open_calls: list = []
    for number, message in enumerate(messages):
        where, role = f"messages[{number}]", message.get("role")
        need(role in roles, f"{where}.role: {role!r}")
        if backend in MEMBERS:
            strange = sorted(set(message) - MEMBERS[backend][role])
            need(not strange, f"{where}: property {strange} is unsupported")
        content = message.get("content")
        need(content is not None or message.get("tool_calls") or role == "assistant" and message.get("refusal"),
             f"{where}.content: expected a string, got null")  # fmt: skip
        if role == "tool":
            need(message.get("tool_call_id") in open_calls, f"{where}: no call {message.get('tool_call_id')!r} before it")
            open_calls.remove(message["tool_call_id"])
            continue
        need(not open_calls, f"{where}: calls without results: {open_calls}")
        for call in message.get("tool_calls") or []:
            # Mistral's own calls have no type, and come back so.
            kind = call.get("type", "function" if backend == "mistral" else None)
            need(kind == "function" or backend == "mistral" and kind is None, f"{where}.tool_calls.type: {kind!r}")
            need(isinstance(call["function"]["arguments"], str), f"{where}: arguments are not a string")
            json.loads(call["function"]["arguments"])
            if backend == "mistral":
                need(re.match(r"^[a-zA-Z0-9]{9}$", call["id"]), f"{where}: Tool call id was {call['id']}")
            open_calls.append(call["id"])
    need(not open_calls, f"calls without results: {open_calls}")
    for tool in body.get("tools") or []:
        function = tool["function"]
        need(WORD.match(function["name"]), f"tools: name {function['name']!r}")
        need((function.get("parameters") or {"type": "object"}).get("type") == "object",
             f"tools: schema of {function['name']} must have type 'object'")  # fmt: skip
        if function.get("strict") and backend in ("openai", "azure"):
            closed(function.get("parameters"), f"tools.{function['name']}")
    need("tools" in body or "tool_choice" not in body, "'tool_choice' is only allowed when 'tools' are specified")
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        need(backend != "deepseek", "This response_format type is unavailable now")
        need("schema" in form["json_schema"] and WORD.match(form["json_schema"].get("name", "")),
             "response_format.json_schema: name and schema are required")  # fmt: skip
        if form["json_schema"].get("strict") and backend in ("openai", "azure", "groq"):
            closed(form["json_schema"]["schema"], "response_format")


def responses(backend: str, operation: str, body: dict) -> None:
    need(isinstance(body.get("model"), str), "you must provide a model parameter")
    items = body.get("input")
    need(isinstance(items, str) or items, "'input' is required")
    calls, results = [], []
    for item in items if isinstance(items, list) else []:
        if item.get("type") == "function_call":
            calls.append(item["call_id"])
        elif item.get("type") == "function_call_output":
            results.append(item["call_id"])
    follows(calls, results, "input")
    for tool in body.get("tools") or []:
        need(tool["type"] != "function" or "name" in tool, "tools[0].name: required")
        if tool.get("strict"):
            closed(tool["parameters"], f"tools.{tool['name']}")
    form = (body.get("text") or {}).get("format") or {}
    if form.get("type") == "json_schema":
        need("name" in form and "schema" in form, "text.format: name and schema are required")
        if form.get("strict"):
            closed(form["schema"], "text.format")


def anthropic(backend: str, operation: str, body: dict) -> None:
    if operation == "generate":
        need(isinstance(body.get("max_tokens"), int) and body["max_tokens"] > 0, "max_tokens: Field required")
    messages = body.get("messages")
    need(isinstance(messages, list) and messages, "messages: at least one message is required")
    need(messages[0]["role"] == "user", "messages: first message must use the \"user\" role")
    calls: list = []
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        need(message["role"] in ("user", "assistant"), f"{where}.role: {message['role']!r}")
        if number:
            need(message["role"] != messages[number - 1]["role"], "messages: roles must alternate")
        content = message["content"]
        last = number == len(messages) - 1
        need(content or (last and message["role"] == "assistant"), f"{where}: all messages must have non-empty content")
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        for block in blocks:
            if block["type"] == "text":
                need(block["text"].strip(), f"{where}: text content blocks must contain non-whitespace text")
            if block["type"] in ("tool_use", "tool_result"):
                name = block.get("id") or block.get("tool_use_id")
                need(re.match(r"^[a-zA-Z0-9_-]+$", name), f"{where}: id {name!r} does not match the pattern")
            if block["type"] == "tool_use":
                need(isinstance(block["input"], dict), f"{where}: tool_use.input: Input should be a valid dictionary")
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if message["role"] == "user":
            follows(calls, results, where)
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    need(not calls, "messages: tool_use without tool_result")
    if messages[-1]["role"] == "assistant" and isinstance(messages[-1]["content"], str):
        need(messages[-1]["content"] == messages[-1]["content"].rstrip(), "final assistant content cannot end with white space")
    for tool in body.get("tools") or []:
        if "input_schema" in tool or tool.get("type") in (None, "custom"):
            need((tool.get("input_schema") or {}).get("type") == "object", f"tools.{tool['name']}.input_schema.type: Field required")
            need(re.match(r"^[a-zA-Z0-9_-]{1,128}$", tool["name"]), f"tools: name {tool['name']!r}")
    need((body.get("temperature") or 0) <= 1, "temperature: range: 0..1")
    need("temperature" not in body or "top_p" not in body, "temperature and top_p cannot both be specified for this model")
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        need(thinking["budget_tokens"] >= 1024, "thinking.budget_tokens: at least 1024")
        need(thinking["budget_tokens"] < body.get("max_tokens", 10**9), "max_tokens must be greater than thinking.budget_tokens")
        choice = (body.get("tool_choice") or {}).get("type")
        need(choice in (None, "auto", "none"), "Thinking may not be enabled when tool_choice forces tool use.")
        need(body.get("temperature", 1) == 1, "temperature may only be set to 1 when thinking is enabled")


def gemini(backend: str, operation: str, body: dict) -> None:
    if "generateContentRequest" in body:
        body = body["generateContentRequest"]
    contents = body.get("contents")
    need(isinstance(contents, list) and contents, "* GenerateContentRequest.contents: contents is not specified")
    calls: list = []
    for number, content in enumerate(contents):
        where = f"contents[{number}]"
        need(content.get("role", "user") in ("user", "model"), f"{where}: Please use a valid role: user, model.")
        need(content.get("parts"), f"{where}.parts must not be empty")
        results = []
        for part in content["parts"]:
            need(any(key in part for key in ("text", "functionCall", "functionResponse", "inlineData", "fileData",
                                             "inline_data", "executableCode", "codeExecutionResult")),
                 f"{where}.parts.data: required oneof field 'data' must have one initialized field")  # fmt: skip
            if "functionResponse" in part:
                need(isinstance(part["functionResponse"]["response"], dict), f"{where}: functionResponse.response is no object")
                results.append(part["functionResponse"]["name"])
        if calls or results:
            need(sorted(calls) == sorted(results),
                 f"{where}: the function response parts ({results}) must match the function call parts ({calls})")  # fmt: skip
        calls = [part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part]
    need(not calls, "function calls without responses")
    for tool in body.get("tools") or []:
        for function in tool.get("functionDeclarations") or []:
            need(re.match(r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$", function["name"]), f"Invalid function name {function['name']!r}")
            openapi(function.get("parameters"), f"tools.{function['name']}")
    settings = body.get("generationConfig") or {}
    openapi(settings.get("responseSchema"), "generation_config.response_schema")
    if "responseSchema" in settings or "responseJsonSchema" in settings:
        need(settings.get("responseMimeType") == "application/json", "response_mime_type must be application/json")


def openapi(schema, where: str) -> None:
    """Gemini's schemas know a few words only."""
    if not isinstance(schema, dict):
        return
    for word in ("$schema", "$defs", "$ref", "additionalProperties", "const", "oneOf", "allOf", "exclusiveMinimum"):
        need(word not in schema, f"Unknown name \"{word}\" at '{where}': Cannot find field.")
    for name, inner in (schema.get("properties") or {}).items():
        openapi(inner, f"{where}.{name}")
    openapi(schema.get("items"), f"{where}[]")


def ollama(backend: str, operation: str, body: dict) -> None:
    need(isinstance(body.get("model"), str), "model is required")
    for number, message in enumerate(body.get("messages") or []):
        where = f"messages[{number}]"
        need(message.get("role") in ("system", "user", "assistant", "tool"), f"{where}: invalid role")
        need(isinstance(message.get("content", ""), str), f"json: cannot unmarshal array into {where}.content of type string")
        for call in message.get("tool_calls") or []:
            need(isinstance(call["function"]["arguments"], dict), f"json: cannot unmarshal string into {where}.tool_calls.arguments")


def cohere(backend: str, operation: str, body: dict) -> None:
    need(isinstance(body.get("model"), str), "model is required")
    need(body.get("messages"), "messages are required")
    open_calls: list = []
    for number, message in enumerate(body["messages"]):
        where, role = f"message at index {number}", message.get("role")
        need(role in ("system", "user", "assistant", "tool"), f"invalid role {role!r} provided for {where}")
        if role == "tool":
            need(message.get("tool_call_id") in open_calls, f"{where}: no call {message.get('tool_call_id')!r} before it")
            open_calls.remove(message["tool_call_id"])
            continue
        need(not open_calls, f"{where}: calls without results: {open_calls}")
        need(message.get("content") or message.get("tool_calls"), f"{where} must not be empty")
        open_calls = [call["id"] for call in message.get("tool_calls") or []]
        for call in message.get("tool_calls") or []:
            json.loads(call["function"]["arguments"])
    need(not open_calls, f"calls without results: {open_calls}")
    need(body.get("tool_choice") in (None, "REQUIRED", "NONE"), f"tool_choice: {body.get('tool_choice')!r}")
    form = body.get("response_format") or {}
    need(form.get("type") in (None, "text", "json_object"), f"response_format.type: {form.get('type')!r}")


def bedrock(backend: str, operation: str, body: dict) -> None:
    if operation == "count":
        body = body["input"]["converse"]
    messages = body.get("messages")
    need(messages, "The conversation must start with a user message.")
    need(messages[0]["role"] == "user", "A conversation must start with a user message.")
    calls, used = [], False
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        if number:
            need(message["role"] != messages[number - 1]["role"], "A conversation must alternate between user and assistant roles.")
        need(isinstance(message.get("content"), list) and message["content"], f"The content field in {where} is empty")
        for block in message["content"]:
            need(block.get("text", "x").strip(), f"The text field in {where} is blank")
            used |= "toolUse" in block or "toolResult" in block
            for use in [block["toolUse"]] if "toolUse" in block else []:
                need(WORD.match(use["toolUseId"]), f"{where}: toolUseId {use['toolUseId']!r}")
                need(isinstance(use["input"], dict), f"{where}: toolUse.input is no object")
        results = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if message["role"] == "user":
            follows(calls, results, where)
        calls = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
    need(not used or body.get("toolConfig"), "The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    for tool in (body.get("toolConfig") or {}).get("tools") or []:
        if "toolSpec" in tool:
            need(WORD.match(tool["toolSpec"]["name"]), f"toolConfig: name {tool['toolSpec']['name']!r}")
            need(tool["toolSpec"]["inputSchema"]["json"].get("type") == "object", "inputSchema.json.type must be object")


RULES = {rule.__name__: rule for rule in (chat, responses, anthropic, gemini, ollama, cohere, bedrock)}
