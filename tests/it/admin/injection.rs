//! What people type into fields, and others read as SQL, as HTML, as a template or as a command: in every
//! field of every route that takes a text, in every name in a path, in every query.

use serde_json::{Map, Value, json};

use super::{Administrated, MASTER, call};
use crate::support::Request;

const STRANGE: [&str; 14] = [
    "'; DROP TABLE keys; --",
    "\" OR \"1\"=\"1",
    "1); DELETE FROM users; --",
    "' UNION SELECT hash FROM keys --",
    "$1",
    "%_\\",
    "<script>alert(1)</script>",
    "${jndi:ldap://x}",
    "{{7*7}}{% raw %}",
    "$(touch /tmp/x)`id`|;&",
    "../../../../etc/passwd",
    "Zoë 👩‍💻 \u{202e}\u{feff}",
    "a\u{0}b",
    "line\r\nX-Injected: 1",
];

/// A value of a schema, with that text wherever one may stand.
fn value(document: &Value, schema: &Value, text: &str, depth: usize) -> Value {
    let schema = match schema["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).unwrap(),
        None => schema,
    };
    if let Some(forms) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let known = forms.iter().find(|form| form["type"] != "null").unwrap();
        return value(document, known, text, depth);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words[0].clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap(),
        kind => kind,
    };
    match kind.as_str() {
        Some("object") if depth < 4 => {
            let mut members = Map::new();
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                members.insert(name.clone(), value(document, schema, text, depth + 1));
            }
            if !schema["additionalProperties"].is_null() && schema["additionalProperties"] != false
            {
                let inner = &schema["additionalProperties"];
                let inner = if inner.is_object() {
                    value(document, inner, text, depth + 1)
                } else {
                    json!(text)
                };
                members.insert(text.to_owned(), inner);
            }
            members.into()
        }
        Some("array") => json!([value(document, &schema["items"], text, depth + 1)]),
        Some("integer") => json!(1),
        Some("number") => json!(1.5),
        Some("boolean") => json!(false),
        _ => json!(text),
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn strange_texts_are_texts_wherever_they_stand() {
    for admin in Administrated::each().await {
        let (canary, _) = admin.key(json!({"label": "canary"})).await;
        let document = admin.document.clone();
        let mut requests = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                for (turn, text) in STRANGE.into_iter().enumerate() {
                    for body in bodies(&document, schema, text, turn) {
                        let target = target(path, operation, text);
                        let mut request = Request::new(&method.to_ascii_uppercase(), &target)
                            .bearer(MASTER)
                            .header("content-type", "application/json");
                        if let Some(body) = &body {
                            request.body = body.to_string().into();
                        }
                        let answer = call(admin.gateway.admin_address, request).await;
                        assert!(
                            answer.status < 500,
                            "{method} {target} {body:?}: {answer:?}"
                        );
                        assert_eq!(answer.header("x-injected"), None, "{method} {target}");
                        requests += 1;
                    }
                }
            }
        }
        assert!(requests > 2000, "{requests}");
        assert_eq!(
            admin.chat(&canary).await,
            200,
            "the canary's record is as it was"
        );
        assert_eq!(admin.get("/admin/keys/canary").await["label"], "canary");
        assert!(
            !admin.gateway.logs().contains("\nX-Injected"),
            "a line of the log was made up"
        );
    }
}

/// A field stands alone with one text in so many.
const TURNS: usize = 5;

/// A body with the text in all its fields, and those in which a field stands alone: where one is refused the
/// others would not be read.
fn bodies(document: &Value, schema: &Value, text: &str, turn: usize) -> Vec<Option<Value>> {
    let whole = match schema {
        Value::Null => return vec![None],
        schema => value(document, schema, text, 0),
    };
    let resolved = match schema["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).unwrap(),
        None => schema,
    };
    let required: Vec<&str> = resolved["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut bodies = vec![Some(whole.clone())];
    let members = whole.as_object().into_iter().flatten().enumerate();
    let in_turn = members.filter(|(place, _)| (place + turn).is_multiple_of(TURNS));
    for (_, (name, member)) in in_turn {
        let mut one = Map::new();
        for name in &required {
            one.insert((*name).to_owned(), whole[*name].clone());
        }
        one.insert(name.clone(), member.clone());
        bodies.push(Some(one.into()));
    }
    bodies
}

fn target(path: &str, operation: &Value, text: &str) -> String {
    let parts = path.split('/').map(|part| match part.starts_with('{') {
        true => encoded(text),
        false => part.to_owned(),
    });
    let mut target = parts.collect::<Vec<_>>().join("/");
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let query: Vec<String> = parameters
        .filter(|parameter| parameter["in"] == "query")
        .filter(|parameter| {
            let kind = parameter["schema"]["type"].as_str();
            kind == Some("string") && parameter["schema"]["format"].is_null()
        })
        .map(|parameter| format!("{}={}", parameter["name"].as_str().unwrap(), encoded(text)))
        .collect();
    if !query.is_empty() {
        target.push_str(&format!("?{}", query.join("&")));
    }
    target
}

#[tokio::test]
async fn a_strange_name_is_kept_as_it_is() {
    for admin in Administrated::each().await {
        for text in STRANGE
            .iter()
            .filter(|text| !text.contains(char::is_control))
        {
            let made = admin
                .post(
                    "/admin/teams",
                    json!({"id": text, "alias": text, "metadata": {*text: text}}),
                )
                .await;
            assert_eq!((&made["id"], &made["alias"]), (&json!(text), &json!(text)));
            let shown = admin.get(&format!("/admin/teams/{}", encoded(text))).await;
            assert_eq!(shown["metadata"], json!({*text: text}));
            let found = admin
                .get(&format!("/admin/teams?alias={}", encoded(text)))
                .await;
            assert!(found["total"].as_i64().unwrap() >= 1, "{text}");
            let (key, _) = admin.key(json!({"label": text, "team_id": text})).await;
            assert_eq!(admin.chat(&key).await, 200);
            let list = admin
                .get(&format!("/key/list?team_id={}", encoded(text)))
                .await;
            assert_eq!(list["total_count"], 1);
        }
        for text in ["a\u{0}b", "a\nb", " ", &"x".repeat(300)] {
            let answer = admin
                .ask(MASTER, "POST", "/admin/teams", Some(json!({"id": text})))
                .await;
            assert_eq!(answer.status, 400, "{text:?}");
        }
    }
}
