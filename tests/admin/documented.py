"""LiteLLM's documented calls, by curl, one after the other as its pages have them: the life of a key, of a team,
of a user and of a deployment, and what they have spent. (docs/proxy/{virtual_keys,team_budgets,users,cost_tracking,model_management,health}.md of
BerriAI/litellm-docs.)"""

import json
import subprocess
import time
from datetime import date, timedelta


class Curl:
    """Calls one base URL with one key; chats go to the client port, whichever that is."""

    def __init__(self, url: str, key: str, client: str | None = None):
        self.url, self.key, self.client = url, key, client or url

    def __call__(self, method: str, path: str, body: dict | None = None, key: str | None = None, status: int = 200):
        url = self.client if path.endswith("/chat/completions") else self.url
        command = [
            "curl", "--silent", "--show-error", "--max-time", "30", "--location", f"{url}{path}",
            "--header", f"Authorization: Bearer {key or self.key}", "--write-out", "\n%{http_code}",
        ]
        if method != "GET":
            command += ["--request", method]
        if body is not None:
            command += ["--header", "Content-Type: application/json", "--data-raw", json.dumps(body)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        text, _, code = said.rpartition("\n")
        assert int(code) == status, f"{method} {path}: {code} {text}"
        return json.loads(text)


def life(curl: Curl) -> None:
    """A key from its making to its end, and what is known of it meanwhile."""
    chat = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    team = curl("POST", "/team/new", {"team_alias": "my-dev-team", "max_budget": 1, "budget_duration": "1d"})["team_id"]
    user = curl("POST", "/user/new", {"user_email": "krrish@berri.ai", "user_role": "internal_user"})["user_id"]
    made = curl("POST", "/key/generate", {
        "models": ["gpt-4o"], "duration": "20m", "metadata": {"user": "ishaan@berri.ai"}, "team_id": team,
        "user_id": user, "key_alias": "documented", "max_budget": 10, "budget_duration": "monthly",
        "rpm_limit": 1000,
    })
    key, token = made["key"], made["token"]
    curl("POST", "/chat/completions", chat, key=key)
    curl("POST", "/v1/chat/completions", {**chat, "model": "gpt-4o-mini"}, key=key, status=403)
    assert curl("GET", f"/key/info?key={key}")["info"]["key_alias"] == "documented"
    assert curl("GET", "/key/info", key=key)["info"]["token"] == token
    assert token in curl("GET", "/key/list?page=1&size=10")["keys"]
    curl("POST", "/key/update", {"key": key, "models": ["gpt-4o", "gpt-4o-mini"], "duration": "30d"})
    curl("POST", "/v1/chat/completions", {**chat, "model": "gpt-4o-mini"}, key=key)
    curl("POST", "/key/block", {"key": key})
    curl("POST", "/chat/completions", chat, key=key, status=401)
    curl("POST", "/key/unblock", {"key": key})
    renewed = curl("POST", f"/key/{key}/regenerate", {"grace_period": "1h"})["key"]
    curl("POST", "/chat/completions", chat, key=key)
    curl("POST", "/chat/completions", chat, key=renewed)
    curl("POST", "/team/block", {"team_id": team})
    curl("POST", "/chat/completions", chat, key=renewed, status=401)
    curl("POST", "/team/unblock", {"team_id": team})
    assert curl("GET", f"/team/info?team_id={team}")["keys"]
    curl("POST", "/team/member_add", {"team_id": team, "member": {"role": "user", "user_id": user}})
    assert curl("GET", f"/user/info?user_id={user}")["user_info"]["user_email"] == "krrish@berri.ai"
    # A key of no rights administrates nothing, and sees what is its own.
    curl("POST", "/key/generate", {}, key=renewed, status=403)
    curl("GET", "/global/spend", key=renewed, status=403)
    assert [row["token"] for row in curl("GET", "/spend/keys", key=renewed)] == [curl("GET", "/key/info", key=renewed)["info"]["token"]]
    curl("POST", "/key/delete", {"keys": [renewed]})
    curl("POST", "/chat/completions", chat, key=renewed, status=401)
    curl("POST", "/team/delete", {"team_ids": [team]})
    curl("POST", "/user/delete", {"user_ids": [user]})
    curl("GET", f"/key/info?key={renewed}", status=404)


# What LiteLLM's pages show of each answer: an object's fields, or a list's first row's.
KEY_ROW = "token key_name key_alias spend max_budget models user_id team_id metadata expires"
MODEL_ROW = "model_name litellm_params model_info"
SHAPES = {
    "/spend/keys": [KEY_ROW],
    "/spend/users": ["user_id spend max_budget user_email"],
    "/spend/tags": ["individual_request_tag log_count total_spend"],
    "/spend/models": ["model total_spend"],
    "/spend/logs": ["request_id call_type api_key spend total_tokens prompt_tokens completion_tokens startTime endTime model"
                    " model_group custom_llm_provider user metadata cache_hit request_tags team_id status"],
    "/spend/logs?{span}": ["startTime spend users models"],
    "/spend/logs?{span}&summarize=false": ["request_id spend startTime api_key"],
    "/global/spend": "spend max_budget",
    "/global/spend/logs": ["date spend"],
    "/global/spend/keys?limit=5": ["api_key key_alias key_name total_spend"],
    "/global/spend/models?limit=5": ["model total_spend"],
    "/global/spend/teams": "daily_spend teams total_spend_per_team",
    "/global/spend/provider?{span}": ["provider spend"],
    "/global/spend/report?{span}&group_by=team": ["group_by_day teams"],
    "/global/spend/report?{span}&group_by=api_key": ["api_key total_cost total_input_tokens total_output_tokens"],
    "/global/spend/tags?{span}": "spend_per_tag",
    "/global/spend/all_tag_names": "tag_names",
    "/global/activity?{span}": "daily_data sum_api_requests sum_total_tokens",
    "/global/activity/model?{span}": ["model daily_data sum_api_requests sum_total_tokens"],
    "/global/activity/cache_hits?{span}": "groups totals filter_options error_breakdown",
    "/global/activity/exceptions?{span}&model_group=gpt-4o": "daily_data sum_num_rate_limit_exceptions",
    "/model/info": "data",
    "/v1/model/info": "data",
    "/v2/model/info": "data total_count current_page total_pages size",
    "/model_group/info": "data",
    "/models": "object data",
    "/v1/models": "object data",
    "/models/gpt-4o": "id object created owned_by",
    "/key/aliases": "aliases total_count current_page total_pages size",
    "/user/available_roles": "proxy_admin proxy_admin_viewer internal_user internal_user_viewer",
    "/user/available_users": "total_users total_users_used total_users_remaining",
    "/health/services?service=db": "status message",
    "/health/latest": "latest_health_checks total_models",
    "/test": "route",
}


def has(answer: object, shape: object, what: str) -> None:
    """An answer has what is documented; a list has a row at least."""
    if isinstance(shape, list):
        assert isinstance(answer, list) and answer, f"{what}: no rows in {answer}"
        answer, shape = answer[0], shape[0]
    assert isinstance(answer, dict), f"{what}: {answer}"
    missing = [name for name in shape.split() if name not in answer]
    assert not missing, f"{what}: no {missing} in {answer}"


def days() -> str:
    today = date.today()
    return f"start_date={today - timedelta(days=1)}&end_date={today + timedelta(days=1)}"


def reports(curl: Curl) -> None:
    """What has been spent, and how everything is."""
    made = curl("POST", "/key/generate", {"key_alias": "reported", "team_id": "reported-team", "tags": ["documented"]})
    # Nobody has asked this before: the cache would have the answer, for nothing.
    chat = {"model": "gpt-4o", "messages": [{"role": "user", "content": made["token"]}], "user": "customer-1"}
    curl("POST", "/user/new", {"user_email": f"{made['token'][:8]}@example.com"})
    curl("POST", "/v1/chat/completions", chat, key=made["key"])
    eventually(lambda: curl("GET", f"/spend/logs?api_key={made['token']}"))
    for path, shape in SHAPES.items():
        has(curl("GET", path.format(span=days())), shape, path)
    for path in ("/model/info", "/v1/model/info", "/v2/model/info"):
        has(curl("GET", path)["data"], [MODEL_ROW], path)
    has(curl("GET", "/model_group/info")["data"], ["model_group providers input_cost_per_token"], "/model_group/info")
    customers = curl("POST", "/global/spend/end_users", {"startTime": f"{date.today()}", "endTime": f"{date.today() + timedelta(days=1)}"})
    has(customers, ["end_user total_count total_spend"], "/global/spend/end_users")
    cost = curl("POST", "/spend/calculate", {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]})
    assert cost["cost"] > 0, cost
    assert curl("GET", "/health/liveliness") == curl("GET", "/health/liveness") == "I'm alive!"
    if curl.url != curl.client:
        health = "healthy_endpoints unhealthy_endpoints healthy_count unhealthy_count"
        has(curl("GET", "/health"), health, "/health")
        has(curl("GET", "/health/readiness"), "status db cache litellm_version success_callbacks", "/health/readiness")
    info = f"/key/info?key={made['token']}"
    assert curl("GET", info)["info"]["spend"] > 0
    has(curl("POST", "/global/spend/reset"), "message status", "/global/spend/reset")
    assert curl("GET", info)["info"]["spend"] == 0
    curl("POST", "/global/spend/reset", key=made["key"], status=403)
    curl("POST", "/key/delete", {"keys": [made["key"]]})


def eventually(ask) -> None:
    """What has just happened is told within seconds."""
    for _ in range(100):
        if ask():
            return
        time.sleep(0.1)
    raise AssertionError("nothing is told of it")


def groups(curl: Curl) -> None:
    """Teams, users and budgets: changed, listed, shown, deleted."""
    row = "team_id team_alias members_with_roles max_budget models spend blocked"
    team = curl("POST", "/team/new", {"team_alias": "documented-team", "models": ["gpt-4o"]})["team_id"]
    updated = curl("POST", "/team/update", {"team_id": team, "max_budget": 7, "metadata": {"a": 1}})
    assert updated["data"]["max_budget"] == 7 and updated["data"]["models"] == ["gpt-4o"], updated
    added = curl("POST", "/team/member_add", {"team_id": team, "member": [{"role": "user", "user_email": "a@example.com"}]})
    has(added, row + " updated_users updated_team_memberships", "/team/member_add")
    user = added["updated_users"][0]["user_id"]
    placed = curl("POST", "/team/member_update", {"team_id": team, "user_id": user, "role": "admin", "max_budget_in_team": 3})
    assert placed["max_budget_in_team"] == 3 and placed["user_id"] == user, placed
    listed = [one for one in curl("GET", "/team/list") if one["team_id"] == team]
    has(listed, [row + " keys team_memberships"], "/team/list")
    assert listed[0]["members_with_roles"][0]["role"] == "admin", listed
    has(curl("GET", f"/team/info?team_id={team}"), "team_id team_info keys team_memberships", "/team/info")
    has(curl("GET", "/v2/team/list"), "teams total page page_size total_pages", "/v2/team/list")
    bulk = curl("POST", "/team/bulk_member_add", {"team_id": team, "members": [{"role": "user", "user_id": user}]})
    has(bulk, "team_id results total_requested successful_additions failed_additions updated_team", "/team/bulk_member_add")
    assert curl("POST", "/team/model/add", {"team_id": team, "models": ["gpt-4o-mini"]})["models"] == ["gpt-4o", "gpt-4o-mini"]
    assert curl("POST", "/team/model/delete", {"team_id": team, "models": ["gpt-4o-mini"]})["models"] == ["gpt-4o"]
    permissions = curl("GET", f"/team/permissions_list?team_id={team}")
    has(permissions, "team_id team_member_permissions all_available_permissions", "/team/permissions_list")
    curl("POST", "/team/permissions_update", {"team_id": team, "team_member_permissions": ["/key/info"]})
    removed = curl("POST", "/team/member_delete", {"team_id": team, "user_id": user})
    assert removed["members_with_roles"] == [], removed

    changed = curl("POST", "/user/update", {"user_id": user, "max_budget": 4, "user_role": "internal_user"})
    assert changed["user_id"] == user and changed["data"]["max_budget"] == 4, changed
    users = curl("GET", "/user/list?page=1&page_size=25")
    has(users, "users total page page_size total_pages", "/user/list")
    has(users["users"], ["user_id user_email user_role spend max_budget key_count"], "/user/list")
    many = curl("POST", "/user/bulk_update", {"users": [{"user_id": user, "max_budget": 5}]})
    has(many, "results total_requested successful_updates failed_updates", "/user/bulk_update")
    has(curl("GET", f"/v2/user/info?user_id={user}"), "user_id user_email user_role spend", "/v2/user/info")

    key = curl("POST", "/key/generate", {"key_alias": "documented-many", "team_id": team, "spend": 2})
    many = curl("POST", "/key/bulk_update", {"keys": [{"key": key["token"], "max_budget": 100, "tags": ["production"]}]})
    has(many, "total_requested successful_updates failed_updates", "/key/bulk_update")
    assert many["successful_updates"][0]["key_info"]["max_budget"] == 100, many
    has(curl("POST", "/v2/key/info", {"keys": [key["token"]]})["info"], ["key_alias max_budget spend"], "/v2/key/info")
    assert curl("POST", "/key/health", key=key["key"])["key"] == "healthy"
    reset = curl("POST", f"/key/{key['token']}/reset_spend", {"reset_to": 0.5})
    has(reset, "key_hash spend previous_spend max_budget budget_reset_at", "/key/{key}/reset_spend")

    budget = curl("POST", "/budget/new", {"budget_id": "free-tier", "max_budget": 2.5, "rpm_limit": 10})
    has(budget, "budget_id max_budget soft_budget tpm_limit rpm_limit budget_duration budget_reset_at", "/budget/new")
    assert curl("POST", "/budget/update", {"budget_id": "free-tier", "soft_budget": 1})["max_budget"] == 2.5
    assert curl("POST", "/budget/info", {"budgets": ["free-tier"]})[0]["soft_budget"] == 1
    has(curl("GET", "/budget/list"), ["budget_id max_budget"], "/budget/list")
    settings = "field_name field_type field_description field_value stored_in_db field_default_value"
    has(curl("GET", "/budget/settings?budget_id=free-tier"), [settings], "/budget/settings")
    curl("POST", "/budget/delete", {"id": "free-tier"})
    assert curl("POST", "/team/delete", {"team_ids": [team]})["deleted_teams"] == [team]
    assert curl("POST", "/user/delete", {"user_ids": [user]}) == 1


def models(curl: Curl) -> None:
    """A deployment from its making to its end."""
    chat = {"model": "documented-model", "messages": [{"role": "user", "content": "hi"}]}
    made = curl("POST", "/model/new", {"model_name": "documented-model", "model_info": {"team": "core"},
                                       "litellm_params": {"model": "openai/gpt-4o", "rpm": 100}})
    has(made, MODEL_ROW + " model_id", "/model/new")
    identity = made["model_info"]["id"]
    curl("POST", "/chat/completions", chat)
    updated = curl("POST", "/model/update", {"litellm_params": {"rpm": 5}, "model_info": {"id": identity}})
    assert updated["litellm_params"]["rpm"] == 5 and updated["model_info"]["team"] == "core", updated
    patched = curl("PATCH", f"/model/{identity}/update", {"litellm_params": {"tpm": 7}})
    assert patched["litellm_params"]["tpm"] == 7 and patched["litellm_params"]["rpm"] == 5, patched
    shown = curl("GET", f"/v1/model/info?litellm_model_id={identity}")["data"]
    has(shown, [MODEL_ROW], "/v1/model/info")
    tried = curl("POST", "/health/test_connection", {"litellm_params": {"model": "documented-model"}, "mode": "chat"})
    assert tried["status"] == "success", tried
    has(curl("POST", "/model/delete", {"id": identity}), "message", "/model/delete")
    curl("POST", "/model/delete", {"id": identity}, status=404)
    curl("POST", "/chat/completions", chat, status=404)
