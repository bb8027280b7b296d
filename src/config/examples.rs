//! Tests that the files under `conf/` are true: they load, and they say all that there is to say.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::{Config, Provider, schema};
use crate::yaml;

fn conf(file: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("conf")
            .join(file),
    )
    .unwrap()
}

/// Any variable is set.
#[expect(clippy::unnecessary_wraps, reason = "the shape of an environment")]
fn lookup(name: &str) -> Option<String> {
    Some(format!("value-of-{name}"))
}

fn read(file: &str, text: &str) -> (Config, yaml::Positions) {
    yaml::read(file, text, &lookup).unwrap_or_else(|problems| {
        panic!(
            "{}",
            problems
                .iter()
                .map(|problem| format!("{problem}\n"))
                .collect::<String>()
        )
    })
}

/// The file with what is commented out in it taken in: a `#` with no or several spaces behind it
/// stands before an option, one with a single space before prose. Where an empty value stands
/// before its example, the example takes its place.
fn uncommented(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .filter_map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.is_empty() || (rest.starts_with(' ') && !rest.starts_with("  ")) => {
                None
            }
            Some(rest) => Some(rest.to_owned()),
            None => Some(line.to_owned()),
        })
        .collect();
    let replaced = |line: &String| {
        let empty = line
            .strip_suffix(" {}")
            .or_else(|| line.strip_suffix(" []"));
        empty.is_some_and(|key| lines.iter().any(|other| other == key))
    };
    lines
        .iter()
        .filter(|line| !replaced(line))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The paths of all keys that the schema knows, with `*` for the names that operators choose and
/// for places in lists.
fn schema_keys(root: &Value, node: &Value, path: &str, keys: &mut BTreeSet<String>) {
    if let Some(reference) = node["$ref"].as_str() {
        let definition = root.pointer(reference.trim_start_matches('#')).unwrap();
        schema_keys(root, definition, path, keys);
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        for node in node[choice].as_array().into_iter().flatten() {
            schema_keys(root, node, path, keys);
        }
    }
    for (name, node) in node["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        keys.insert(path.trim_start_matches('.').to_owned());
        schema_keys(root, node, &path, keys);
    }
    for below in ["items", "additionalProperties"] {
        if node[below].is_object() {
            schema_keys(root, &node[below], &format!("{path}.*"), keys);
        }
    }
}

/// The paths of all keys of a file, in the same form.
fn file_keys(
    node: &Value,
    schema_keys: &BTreeSet<String>,
    path: &str,
    keys: &mut BTreeSet<String>,
) {
    let children: Vec<(String, &Value)> = match node {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::Array(items) => items.iter().map(|value| ("*".to_owned(), value)).collect(),
        _ => return,
    };
    for (name, value) in children {
        let below = |name: &str| format!("{path}.{name}").trim_start_matches('.').to_owned();
        let path = match below(&name) {
            path if schema_keys.contains(&path) => path,
            _ => below("*"),
        };
        keys.insert(path.clone());
        file_keys(value, schema_keys, &path, keys);
    }
}

fn known_keys() -> BTreeSet<String> {
    let (schema, mut keys) = (schema(), BTreeSet::new());
    schema_keys(&schema, &schema, "", &mut keys);
    keys
}

#[test]
fn the_full_example_is_the_default() {
    let (config, _) = read("conf/gateway.yaml", &conf("gateway.yaml"));
    assert_eq!(config, Config::default());
}

#[test]
fn the_full_example_lists_every_option() {
    let text = uncommented(&conf("gateway.yaml"));
    let (tree, _) = yaml::read::<Value>("conf/gateway.yaml", &text, &lookup).unwrap();
    let (known, mut listed) = (known_keys(), BTreeSet::new());
    assert!(
        known.contains("providers.*.timeouts.connect_seconds"),
        "{known:?}"
    );
    file_keys(&tree, &known, "", &mut listed);
    let missing: Vec<_> = known.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "conf/gateway.yaml does not list {missing:?}"
    );
}

#[test]
fn what_the_full_example_comments_out_has_no_default() {
    let text = conf("gateway.yaml");
    let (_, live) = read("conf/gateway.yaml", &text);
    let default = serde_json::to_value(Config::default()).unwrap();
    let (known, mut with_default) = (known_keys(), BTreeSet::new());
    file_keys(&default, &known, "", &mut with_default);
    // What stands in a default's list has no place of its own.
    for path in with_default.into_iter().filter(|path| !path.contains('*')) {
        let value = default
            .pointer(&format!("/{}", path.replace('.', "/")))
            .unwrap();
        assert!(
            value.is_null() || live.contains(&path),
            "{path} has a default but is commented"
        );
    }
}

#[test]
fn the_options_of_the_full_examples_provider_stand_at_their_defaults() {
    let (config, _) = read("conf/gateway.yaml", &uncommented(&conf("gateway.yaml")));
    let provider = &config.providers["openai-eu"];
    let own = Provider {
        kind: None,
        base_url: None,
        api_key: None,
        default_model: None,
        tls: Default::default(),
        limits: Default::default(),
        ..provider.clone()
    };
    assert_eq!(own, Provider::default());
}

#[test]
fn every_yaml_file_loads_and_fits_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".yaml")
            || name == "providers.yaml"
            || name == "errors.yaml"
            || name == "pricing.yaml"
        {
            continue;
        }
        let text = conf(&name);
        let (config, positions) = read(&name, &text);
        assert_eq!(
            super::validate::validate(&config, &positions, false),
            [],
            "{name}"
        );
        let (tree, _) = yaml::read::<Value>(&name, &text, &lookup).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&tree)
            .map(|error| format!("{name}: {error}"))
            .collect();
        assert_eq!(errors, [""; 0]);
        names.insert(name);
    }
    assert!(
        names.contains("gateway.yaml") && names.contains("minimal.yaml"),
        "{names:?}"
    );
}

/// Providers for examples that only say what is asked of them.
const PROVIDERS: &str = "providers: {openai: {api_key: a}, anthropic: {api_key: b}, gemini: {api_key: c}, \
    azure: {api_key: d, base_url: 'https://example.com'}, openrouter: {api_key: e}}\n";

#[test]
fn the_examples_of_the_documentation_are_sound() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for (name, least) in [("routing.md", 6), ("configuration.md", 2), ("limits.md", 2)] {
        let text = fs::read_to_string(directory.join(name)).unwrap();
        let blocks: Vec<&str> = text
            .split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .collect();
        assert!(blocks.len() >= least, "{name}");
        for block in blocks {
            let block = match block.contains("providers:") {
                true => block.to_owned(),
                false => format!("{PROVIDERS}{block}"),
            };
            let (config, positions) = read(name, &block);
            let problems = super::validate::validate(&config, &positions, false);
            assert_eq!(problems, [], "{name}: {block}");
        }
    }
}

#[test]
fn the_schema_file_is_fresh() {
    let stored: Value = serde_json::from_str(&conf("gateway.schema.json")).unwrap();
    assert!(
        stored == schema(),
        "conf/gateway.schema.json is stale; run `gateway config schema > conf/gateway.schema.json`"
    );
}
