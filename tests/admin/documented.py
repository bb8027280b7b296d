"""LiteLLM's documented calls, by curl, one after the other as its pages have them: the life of a key, of a team
and of a user, and what they have spent. (docs/proxy/{virtual_keys,team_budgets,users,cost_tracking,health}.md of
BerriAI/litellm-docs.)"""

import json
import subprocess
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


def reports(curl: Curl) -> None:
    """What has been spent, and how everything is."""
    budget = curl("POST", "/budget/new", {"budget_id": "free-tier", "max_budget": 2.5, "rpm_limit": 10})
    assert budget["budget_id"] == "free-tier", budget
    assert curl("POST", "/budget/info", {"budgets": ["free-tier"]})[0]["max_budget"] == 2.5
    curl("POST", "/budget/delete", {"id": "free-tier"})
    today = date.today()
    span = f"start_date={today - timedelta(days=1)}&end_date={today + timedelta(days=1)}"
    for path in [
        "/spend/keys", "/spend/users", "/spend/tags", "/spend/models", "/spend/logs", f"/spend/logs?{span}",
        f"/spend/logs?{span}&summarize=false", "/global/spend", "/global/spend/logs", "/global/spend/keys?limit=5",
        "/global/spend/models?limit=5", "/global/spend/teams", f"/global/spend/provider?{span}",
        f"/global/spend/report?{span}&group_by=team", f"/global/activity?{span}", f"/global/activity/model?{span}",
        f"/global/spend/tags?{span}", "/model/info", "/v1/model/info", "/model_group/info", "/health/readiness",
        "/health/liveliness", "/health/liveness", "/health/services?service=db", "/models", "/v1/models",
    ]:
        curl("GET", path)
    cost = curl("POST", "/spend/calculate", {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]})
    assert cost["cost"] > 0, cost
