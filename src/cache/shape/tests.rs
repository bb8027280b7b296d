use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn shape() -> Shape<'static> {
    Shape {
        partition: Partition::Team("a"),
        dialect: "openai_chat",
        route: "chat",
        headers: &[b"beta"],
        targets: b"pool",
        strategy: HashStrategy::FullRequest,
    }
}

fn key(body: &Value) -> Key {
    of(shape(), &body.to_string(), None).unwrap()
}

fn of(shape: Shape<'_>, body: &str, temperature: Option<f64>) -> Result<Key, Varies> {
    shape.key(&scan(body.as_bytes()).unwrap(), temperature)
}

fn full() -> Value {
    json!({
        "model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "function"}],
        "response_format": {"type": "json_object"}, "seed": 7, "max_tokens": 5, "top_p": 0.5,
        "stop": ["x"], "reasoning_effort": "low", "tool_choice": "auto", "logit_bias": {"1": 2},
        "provider": {"order": ["x"]}, "temperature": 0, "unheard_of": true,
    })
}

#[test]
fn what_shapes_an_answer_tells_keys_apart() {
    let one = key(&full());
    for name in full().as_object().unwrap().keys() {
        let mut other = full();
        let members = other.as_object_mut().unwrap();
        if name == "model" {
            continue;
        }
        members.remove(name);
        assert_ne!(key(&other), one, "without {name}");
        let mut other = full();
        other[name] = json!([{"another": [name]}]);
        if name != "temperature" {
            assert_ne!(key(&other), one, "another {name}");
        }
    }
}

#[test]
fn what_surrounds_the_body_tells_keys_apart() {
    let body = full().to_string();
    let of = |shape| of(shape, &body, None).unwrap();
    let others = [
        Shape {
            partition: Partition::Team("b"),
            ..shape()
        },
        Shape {
            partition: Partition::Key("a"),
            ..shape()
        },
        Shape {
            partition: Partition::Everybody,
            ..shape()
        },
        Shape {
            dialect: "anthropic",
            ..shape()
        },
        Shape {
            route: "completions",
            ..shape()
        },
        Shape {
            headers: &[],
            ..shape()
        },
        Shape {
            headers: &[b"beta", b""],
            ..shape()
        },
        Shape {
            targets: b"pool2",
            ..shape()
        },
    ];
    for other in others {
        assert_ne!(of(other), of(shape()), "{other:?}");
    }
}

#[test]
fn what_does_not_shape_an_answer_does_not() {
    let one = key(&full());
    for (name, value) in [
        ("user", json!("u")),
        ("metadata", json!({"a": 1})),
        ("stream", json!(true)),
        ("stream_options", json!({"include_usage": true})),
        ("safety_identifier", json!("s")),
        ("model", json!("an alias of the same")),
        ("smart_routing", json!(false)),
    ] {
        let mut other = full();
        other[name] = value;
        assert_eq!(key(&other), one, "{name}");
    }
}

#[test]
fn strategies_count_less() {
    let of = |strategy, targets, body: &Value| {
        let shape = Shape {
            strategy,
            targets,
            ..shape()
        };
        super::tests::of(shape, &body.to_string(), None).unwrap()
    };
    let mut timestamped = full();
    timestamped["seed"] = json!(8);
    timestamped["unheard_of"] = json!("2026-01-01");
    let mut said = full();
    said["messages"][0]["content"] = json!("hello");
    for strategy in [HashStrategy::Content, HashStrategy::ContentAndModel] {
        let one = of(strategy, b"x", &full());
        assert_eq!(of(strategy, b"x", &timestamped), one);
        assert_ne!(of(strategy, b"x", &said), one);
        let is_same = of(strategy, b"y", &full()) == one;
        assert_eq!(is_same, strategy == HashStrategy::Content);
    }
}

#[test]
fn chance_and_state_have_no_key() {
    let varies = |body: Value, temperature| of(shape(), &body.to_string(), temperature);
    for (body, temperature, why) in [
        (json!({}), Some(0.7), Varies::Temperature),
        (
            json!({"generationConfig": {"temperature": 1}}),
            None,
            Varies::Temperature,
        ),
        (json!({"n": 2}), None, Varies::Choices),
        (
            json!({"generationConfig": {"candidateCount": 3}}),
            None,
            Varies::Choices,
        ),
        (json!({"conversation": "c"}), None, Varies::Stateful),
        (json!({"background": true}), None, Varies::Stateful),
    ] {
        assert_eq!(varies(body.clone(), temperature), Err(why), "{body}");
    }
    for body in [
        json!({"n": 1, "background": false, "conversation": null}),
        json!({"generationConfig": {"temperature": 0.0, "candidateCount": 1}}),
    ] {
        assert!(varies(body.clone(), Some(0.0)).is_ok(), "{body}");
    }
}

#[test]
fn marks_belong_to_who_set_them() {
    let team = Partition::Team("a");
    assert_eq!(marked(team, "x"), marked(team, "x"));
    assert_ne!(marked(team, "x"), marked(Partition::Key("a"), "x"));
    assert_ne!(marked(team, "x"), marked(team, "y"));
    let body = br#"{"model":"m","stream":true,"messages":[]}"#;
    let laid_out = b"{ \"messages\" : [ ],\n \"model\":\"m\" }";
    assert_eq!(fingerprint("chat", body), fingerprint("chat", laid_out));
    assert_ne!(fingerprint("chat", body), fingerprint("completions", body));
    let other = br#"{"model":"n","stream":true,"messages":[]}"#;
    assert_ne!(fingerprint("chat", body), fingerprint("chat", other));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d ]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn two_teams_never_share_a_key(team in ".{0,6}", other in ".{0,6}", name in "[a-z]{1,4}", value in json_value()) {
        let body = json!({"messages": [], name: value}).to_string();
        let of = |partition| of(Shape { partition, ..shape() }, &body, None);
        prop_assert_eq!(of(Partition::Team(&team)) == of(Partition::Team(&other)), team == other);
        prop_assert_ne!(of(Partition::Team(&team)), of(Partition::Key(&team)));
    }

    #[test]
    fn a_different_body_has_a_different_key(one in prop::collection::btree_map("[a-c]{1,2}", json_value(), 1..4), other in prop::collection::btree_map("[a-c]{1,2}", json_value(), 1..4)) {
        let body = |map: &std::collections::BTreeMap<String, Value>| Value::Object(map.clone().into_iter().collect::<Map<_, _>>());
        prop_assert_eq!(key(&body(&one)) == key(&body(&other)), one == other);
    }

    #[test]
    fn order_and_white_space_do_not_count(members in prop::collection::vec(("[a-z]{1,6}", json_value()), 1..6)) {
        let forwards: Map<String, Value> = members.iter().cloned().collect();
        let backwards: Map<String, Value> = forwards.clone().into_iter().rev().collect();
        let pretty = serde_json::to_string_pretty(&backwards).unwrap();
        prop_assert_eq!(of(shape(), &pretty, None), of(shape(), &Value::Object(forwards).to_string(), None));
    }
}
