"""The life of a key by LiteLLM's Python client library, as its users write it: `litellm.proxy.client`.

    GATEWAY_URL=… GATEWAY_MASTER_KEY=… python3 client.py
"""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import requests  # noqa: E402
from litellm import completion  # noqa: E402
from litellm.proxy.client import Client, UsersManagementClient  # noqa: E402
from litellm.proxy.client.health import HealthManagementClient  # noqa: E402
from litellm.proxy.client.exceptions import NotFoundError, UnauthorizedError  # noqa: E402

URL, MASTER = os.environ["GATEWAY_URL"], os.environ["GATEWAY_MASTER_KEY"]
HELLO = [{"role": "user", "content": "hello"}]

admin = Client(base_url=URL, api_key=MASTER)


def post(path: str, body: dict) -> dict:
    """The client's own way to the routes that it has no method for."""
    return admin.http.request("POST", path, json=body)


def refused(key: str) -> int:
    """The status of a chat that must not be answered."""
    try:
        answer = Client(base_url=URL, api_key=key).chat.completions(model="gpt-4o", messages=HELLO)
    except UnauthorizedError:
        return 401
    except requests.exceptions.HTTPError as error:
        return error.response.status_code
    raise AssertionError(f"answered: {answer}")


def keys() -> None:
    team = post("/team/new", {"team_alias": "client-team", "models": ["gpt-4o"]})["team_id"]
    made = admin.keys.generate(models=["gpt-4o"], duration="1h", key_alias="client-key", team_id=team, aliases={"x": "y"})
    key = made["key"]
    assert key.startswith("sk-") or key.startswith("gw_"), made
    assert made["team_id"] == team and made["expires"], made

    user = Client(base_url=URL, api_key=key)
    answer = user.chat.completions(model="gpt-4o", messages=HELLO)
    assert answer["choices"][0]["message"]["content"] == "hi", answer
    answer = completion(model="openai/gpt-4o", messages=HELLO, api_base=f"{URL}/v1", api_key=key)
    assert answer.choices[0].message.content == "hi", answer
    assert [model["id"] for model in user.models.list()] == ["gpt-4o"], user.models.list()

    info = admin.keys.info(key)["info"]
    assert info["key_alias"] == "client-key" and info["models"] == ["gpt-4o"], info
    listed = admin.keys.list(team_id=team, return_full_object=True)
    assert listed["total_count"] == 1 and listed["keys"][0]["token"] == info["token"], listed
    assert admin.keys.list(key_alias="client-key")["keys"] == [info["token"]]

    changed = admin.keys.update(key, models=["gpt-4o-mini"], key_alias="client-key-2")
    assert changed["models"] == ["gpt-4o-mini"], changed
    assert refused(key) == 403
    admin.keys.update(key, models=["gpt-4o"])
    post("/key/block", {"key": key})
    assert refused(key) == 401
    post("/key/unblock", {"key": key})
    user.chat.completions(model="gpt-4o", messages=HELLO)

    renewed = post(f"/key/{key}/regenerate", {})["key"]
    assert refused(key) == 401, "the old text is worth nothing"
    Client(base_url=URL, api_key=renewed).chat.completions(model="gpt-4o", messages=HELLO)
    gone = admin.keys.delete(keys=[renewed])
    assert len(gone["deleted_keys"]) == 1, gone
    assert refused(renewed) == 401
    try:
        admin.keys.info(renewed)
        raise AssertionError("a key that is gone is shown")
    except requests.exceptions.HTTPError as error:
        assert error.response.status_code == 404, error
    try:
        Client(base_url=URL, api_key="sk-wrong").keys.list()
        raise AssertionError("a wrong key is let in")
    except UnauthorizedError:
        pass


def others() -> None:
    teams = admin.teams.list()
    assert any(team["team_alias"] == "client-team" for team in teams), teams
    page = admin.teams.list_v2(team_alias="client", page_size=5)
    assert page["total"] == 1 and page["teams"][0]["team_alias"] == "client-team", page
    assert admin.teams.get_available() == []

    users = UsersManagementClient(base_url=URL, api_key=MASTER)
    made = users.create_user({"user_email": "ada@example.com", "user_role": "internal_user"})
    assert users.get_user(made["user_id"])["user_info"]["user_email"] == "ada@example.com"
    assert users.get_user_v2(made["user_id"])["user_id"] == made["user_id"]
    own = UsersManagementClient(base_url=URL, api_key=made["key"])
    assert own.get_user_v2()["user_email"] == "ada@example.com", "without an id it is the caller's own"
    assert Client(base_url=URL, api_key=made["key"]).keys.list(include_team_keys=True)["total_count"] == 1
    assert users.list_users(), "there is one"
    users.delete_user([made["user_id"]])

    admin.credentials.create("client-credential", {"custom_llm_provider": "openai"}, {"api_key": "sk-canary-cred"})
    assert "canary" not in str(admin.credentials.list()) and "canary" not in str(admin.credentials.get("client-credential"))
    admin.credentials.update_display_name("client-credential", "Ada's")
    assert admin.credentials.get("client-credential")["display_name"] == "Ada's"

    made = admin.models.new("client-model", {"model": "openai/gpt-4o", "litellm_credential_name": "client-credential"})
    identity = made["model_info"]["id"]
    assert admin.models.get(model_id=identity)["model_name"] == "client-model"
    admin.models.update(identity, {"model": "openai/gpt-4o-mini"})
    assert "client-model" in [group["model_group"] for group in admin.model_groups.info()]
    answer = admin.chat.completions(model="client-model", messages=HELLO)
    assert answer["choices"][0]["message"]["content"] == "hi", answer
    admin.models.delete(identity)
    try:
        admin.models.delete(identity)
        raise AssertionError("a model is deleted twice")
    except NotFoundError:
        pass
    admin.credentials.delete("client-credential")
    health = HealthManagementClient(base_url=URL, api_key=MASTER)
    assert health.get_readiness()["status"] == "healthy"
    assert health.get_server_version()


keys()
others()
print("client: ok")
