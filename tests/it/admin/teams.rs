//! Keys that are bound to a team: what is another team's is not there for them, whatever they ask.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Administrated, MASTER, call};
use crate::support::{Request, database};

/// Two teams, each with a key, a project and a member; and a key that administrates the red one.
pub struct TwoTeams {
    pub admin: Administrated,
    pub red: String,
    pub blue_key: Value,
    pub blue_text: String,
}

pub async fn two_teams(admin: Administrated) -> TwoTeams {
    for team in ["red", "blue"] {
        admin.post("/admin/teams", json!({"id": team, "alias": format!("the {team}s"), "organization_id": format!("org-{team}")})).await;
        admin
            .post(
                "/admin/users",
                json!({"id": format!("{team}-user"), "email": format!("{team}@canary.example")}),
            )
            .await;
        admin
            .ok(
                "PUT",
                &format!("/admin/teams/{team}/members/{team}-user"),
                Some(json!({})),
            )
            .await;
        admin
            .post(
                "/admin/projects",
                json!({"id": format!("{team}-project"), "team_id": team}),
            )
            .await;
        admin
            .post(
                "/admin/budgets",
                json!({"id": format!("{team}-budget"), "budget": {"max": 1}}),
            )
            .await;
    }
    admin
        .post("/admin/users", json!({"id": "boss", "role": "proxy_admin"}))
        .await;
    admin
        .ok("PUT", "/admin/teams/red/members/boss", Some(json!({})))
        .await;
    let (red, _) = admin
        .key(json!({"label": "red-admin", "team_id": "red", "admin": "team_write"}))
        .await;
    let (blue_text, blue_key) = admin
        .key(json!({"label": "blue-canary", "team_id": "blue", "user_id": "blue-user", "metadata": {"note": "blue-canary"}}))
        .await;
    TwoTeams {
        admin,
        red,
        blue_key,
        blue_text,
    }
}

#[tokio::test]
async fn a_teams_key_makes_and_changes_its_teams_keys() {
    for admin in Administrated::each().await {
        let TwoTeams { admin, red, .. } = two_teams(admin).await;
        let said = json!({"label": "app", "user_id": "red-user", "project_id": "red-project", "organization_id": "org-red"});
        let made = admin.ask(&red, "POST", "/admin/keys", Some(said)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        assert_eq!(
            (&made["team_id"], &made["created_by"]),
            (&json!("red"), &json!("red-admin"))
        );
        let text = made["key"].as_str().unwrap();
        assert_eq!(admin.chat(text).await, 200);
        for (method, target, body) in [
            (
                "PATCH",
                "/admin/keys/app",
                Some(json!({"limits": {"requests_per_minute": 5}})),
            ),
            ("POST", "/admin/keys/app/block", None),
            ("POST", "/admin/keys/app/unblock", None),
            ("POST", "/admin/keys/app/rotate", None),
            ("GET", "/admin/keys/app", None),
            ("GET", "/admin/teams/red", None),
            ("GET", "/admin/teams/red/members", None),
            (
                "PUT",
                "/admin/teams/red/members/red-user",
                Some(json!({"role": "admin"})),
            ),
            ("DELETE", "/admin/teams/red/members/red-user", None),
            ("GET", "/admin/projects/red-project", None),
            ("GET", "/team/info?team_id=red", None),
            ("GET", "/admin/usage?team_id=red", None),
            ("GET", "/spend/logs", None),
            (
                "POST",
                "/key/generate",
                Some(json!({"key_alias": "by-litellm"})),
            ),
            ("DELETE", "/admin/keys/app", None),
        ] {
            let answer = admin.ask(&red, method, target, body).await;
            assert!(answer.status < 300, "{method} {target}: {answer:?}");
        }
        let list = admin.ask(&red, "GET", "/admin/keys", None).await.json();
        let teams: Vec<&Value> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| &key["team_id"])
            .collect();
        assert_eq!(teams, [&json!("red"); 2]);
    }
}

#[tokio::test]
async fn a_teams_key_cannot_reach_beyond_its_team_by_what_it_makes() {
    for admin in Administrated::each().await {
        let TwoTeams { admin, red, .. } = two_teams(admin).await;
        for said in [
            json!({"team_id": "blue"}),
            json!({"admin": "write"}),
            json!({"admin": "read"}),
            json!({"user_id": "blue-user"}),
            json!({"user_id": "boss"}),
            json!({"user_id": "nobody-in-particular"}),
            json!({"project_id": "blue-project"}),
            json!({"project_id": "no-such-project"}),
            json!({"budget_id": "red-budget"}),
            json!({"organization_id": "org-blue"}),
            json!({"key": "sk-a-text-of-its-choice"}),
        ] {
            let made = admin
                .ask(&red, "POST", "/admin/keys", Some(said.clone()))
                .await;
            assert_eq!(made.status, 403, "{said}: {made:?}");
            let changed = admin
                .ask(&red, "PATCH", "/admin/keys/red-admin", Some(said.clone()))
                .await;
            let is_refused = changed.status == 403 || changed.status == 400;
            assert!(is_refused, "{said}: {changed:?}");
        }
        let cleared = json!({"team_id": null});
        let changed = admin
            .ask(&red, "PATCH", "/admin/keys/red-admin", Some(cleared))
            .await;
        // Its grant is over a team: without one the key could not be.
        assert_eq!(changed.status, 400, "{changed:?}");
        for said in [
            json!({"team_id": "blue"}),
            json!({"permissions": {"admin": "write"}}),
            json!({"user_id": "boss"}),
            json!({"spend": 0.5}),
            json!({"key": "sk-a-text-of-its-choice"}),
        ] {
            let made = admin
                .ask(&red, "POST", "/key/generate", Some(said.clone()))
                .await;
            assert_eq!(made.status, 403, "{said}: {made:?}");
        }
        // Its own team's limits are not its to change, nor is a key that reaches further than it does.
        let raised = json!({"budget": {"max": 1000}});
        assert_eq!(
            admin
                .ask(&red, "PATCH", "/admin/teams/red", Some(raised))
                .await
                .status,
            403
        );
        let (_, global) = admin
            .key(json!({"label": "global", "team_id": "red", "admin": "write"}))
            .await;
        let path = format!("/admin/keys/{}", global["id"].as_str().unwrap());
        for (method, target) in [
            ("POST", format!("{path}/rotate")),
            ("POST", format!("{path}/block")),
            ("DELETE", path.clone()),
            ("PATCH", path.clone()),
        ] {
            let answer = admin.ask(&red, method, &target, Some(json!({}))).await;
            assert_eq!(answer.status, 403, "{method} {target}: {answer:?}");
        }
        let regenerated = admin
            .ask(&red, "POST", "/key/global/regenerate", Some(json!({})))
            .await;
        assert_eq!(regenerated.status, 403);
    }
}

/// Who asks in the walk: the red team's administrator, its onlooker, a key of the red team's member, and one of
/// the same user that belongs to no team.
async fn actors(admin: &Administrated, red: &str) -> Vec<(&'static str, String)> {
    let key = async |said: Value| admin.key(said).await.0;
    let of_team = json!({"label": "red-app", "team_id": "red", "user_id": "red-user"});
    vec![
        ("team_write", red.to_owned()),
        (
            "team_read",
            key(json!({"label": "red-reader", "team_id": "red", "admin": "team_read"})).await,
        ),
        ("of its team", key(of_team).await),
        (
            "of its user",
            key(json!({"label": "red-own", "user_id": "red-user"})).await,
        ),
    ]
}

/// Every route on both ports, asked by keys of the red team for whatever is the blue one's.
#[tokio::test]
async fn no_route_shows_or_changes_what_is_another_teams() {
    for postgres in database::each().await {
        let admin = Administrated::with(postgres, |yaml| {
            yaml.replace("listen: {", "listen: {management_routes: true, ")
        })
        .await;
        let TwoTeams {
            admin,
            red,
            blue_key,
            blue_text,
        } = two_teams(admin).await;
        let actors = actors(&admin, &red).await;
        assert_eq!(admin.chat(&blue_text).await, 200);
        let id = blue_key["id"].as_str().unwrap();
        let hash = blue_key["hash"].as_str().unwrap();
        let before = snapshot(&admin).await;
        let references = [
            id,
            hash,
            "blue-canary",
            &blue_text,
            "blue",
            "blue-user",
            "blue@canary.example",
            "blue-project",
            "blue-budget",
        ];
        let secrets = [
            id,
            hash,
            "blue-canary",
            "org-blue",
            "the blues",
            "blue@canary",
            "boss@",
        ];
        let mut count = 0;
        for (path, operations) in admin.document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let method = method.to_ascii_uppercase();
                for reference in references {
                    let targets = fill(path, operation, reference);
                    let bodies = bodies_of(&admin.document, operation, reference);
                    for (target, body) in targets
                        .iter()
                        .flat_map(|target| bodies.iter().map(move |body| (target, body)))
                    {
                        // What names the blue team best is asked for by everybody, the rest by whoever may
                        // do the most.
                        let is_asked_by_all =
                            [hash, "blue", "blue-user", "blue@canary.example"].contains(&reference);
                        let who = if is_asked_by_all { 4 } else { 1 };
                        let asked = format!("{target} {body:?} {reference}");
                        let mut calls = Vec::new();
                        for (who, key) in actors.iter().take(who) {
                            calls.extend(
                                on_both_ports(&admin, key, &method, target, body).map(
                                    |(port, request)| async move {
                                        (who, port, call(port, request).await)
                                    },
                                ),
                            );
                        }
                        for (who, port, answer) in futures::future::join_all(calls).await {
                            assert!(answer.status < 500, "{method} {target}: {answer:?}");
                            let said = answer.text();
                            // What it has asked with comes back in some answers; what it did not know must
                            // not.
                            for secret in secrets {
                                assert!(
                                    !said.contains(secret) || asked.contains(secret),
                                    "{who} at {port}: {method} {asked} shows `{secret}`: {said}"
                                );
                            }
                            count += 1;
                        }
                    }
                }
            }
        }
        assert!(count > 5_000, "{count}");
        assert_eq!(
            snapshot(&admin).await,
            before,
            "nothing of the blue team's was changed, and nobody came into the red one"
        );
        assert_eq!(admin.chat(&blue_text).await, 200);
    }
}

/// The same request to the admin port, and to the clients' where it is one of LiteLLM's routes.
fn on_both_ports<'a>(
    admin: &'a Administrated,
    key: &'a str,
    method: &'a str,
    target: &'a str,
    body: &'a Option<Value>,
) -> impl Iterator<Item = (SocketAddr, Request)> + 'a {
    let both = [admin.gateway.admin_address, admin.gateway.address];
    let count = if target.starts_with("/admin/") { 1 } else { 2 };
    both.into_iter().take(count).map(move |port| {
        let mut request = Request::new(method, target).bearer(key);
        if let Some(body) = body {
            request = request.header("content-type", "application/json");
            request.body = body.to_string().into();
        }
        (port, request)
    })
}

/// A path with its names filled in: without a query, and with each name that a query may hold. Alone, for
/// several at once would hold together for nothing.
fn fill(path: &str, operation: &Value, reference: &str) -> Vec<String> {
    let encoded = reference.replace('/', "%2F").replace('@', "%40");
    let parts = path.split('/').map(|part| match part.starts_with('{') {
        true => encoded.clone(),
        false => part.to_owned(),
    });
    let target = parts.collect::<Vec<_>>().join("/");
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let names = parameters
        .filter(|parameter| parameter["in"] == "query")
        .filter_map(|parameter| parameter["name"].as_str());
    let mut targets: Vec<String> = names
        .map(|name| format!("{target}?{name}={encoded}"))
        .collect();
    targets.push(target);
    targets
}

/// Bodies that name it wherever something is named: all in all, and as something of the red team's.
fn bodies_of(document: &Value, operation: &Value, reference: &str) -> Vec<Option<Value>> {
    let Some(body) = body_of(document, operation, reference) else {
        return vec![None];
    };
    let mut bodies = vec![Some(body.clone())];
    let is_by_email = reference.contains('@');
    if let Some(members) = body
        .as_object()
        .filter(|members| members.contains_key("team_id"))
    {
        let mut own = members.clone();
        own.insert("team_id".into(), json!("red"));
        if is_by_email {
            own.remove("user_id");
            let member = json!({"user_email": reference, "role": "admin"});
            for (name, value) in [
                ("member", member.clone()),
                ("members", json!([member])),
                ("user_email", json!(reference)),
            ] {
                if own.contains_key(name) {
                    own.insert(name.into(), value);
                }
            }
        }
        // A label of its own choice is nobody's business.
        own.remove("key_alias");
        bodies.push(Some(own.into()));
    }
    bodies
}

/// A body that names it wherever something is named.
pub fn body_of(document: &Value, operation: &Value, reference: &str) -> Option<Value> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let schema = match schema["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).unwrap(),
        None => schema,
    };
    let properties = schema["properties"].as_object()?;
    let mut body = serde_json::Map::new();
    for name in properties.keys() {
        let value = match name.as_str() {
            "key" | "team_id" | "id" | "user_id" | "user_email" | "budget_id" | "project_id"
            | "key_alias" => {
                json!(reference)
            }
            "keys" if operation["operationId"] == "post_key_bulk_update" => {
                json!([{"key": reference}])
            }
            "keys" | "key_aliases" | "team_ids" | "user_ids" | "budgets" => json!([reference]),
            "users" => json!([{"user_id": reference}]),
            "member" => json!({"user_id": reference, "role": "admin"}),
            "members" if operation["operationId"] == "post_team_bulk_member_add" => {
                json!([{"user_id": reference, "role": "admin"}])
            }
            "reset_to" => json!(0),
            _ => continue,
        };
        body.insert(name.clone(), value);
    }
    Some(body.into())
}

/// All that is the blue team's, as the master key sees it.
async fn snapshot(admin: &Administrated) -> Vec<Value> {
    let mut all = Vec::new();
    for target in [
        "/admin/keys?team_id=blue",
        "/admin/teams/blue",
        "/admin/teams/blue/members",
        "/admin/projects/blue-project",
        "/admin/teams/red/members",
        "/admin/users/blue-user",
        "/admin/users",
        "/admin/budgets",
    ] {
        let mut value = admin.ask(MASTER, "GET", target, None).await.json();
        forget_use(&mut value);
        all.push(value);
    }
    all
}

/// What changes by being used alone.
fn forget_use(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for name in ["last_used_at", "spend", "total_spend"] {
                members.remove(name);
            }
            members.values_mut().for_each(forget_use);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_use),
        _ => {}
    }
}
