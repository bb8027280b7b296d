use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    port: u16,
    dev: bool,
    ratio: f64,
    name: Option<String>,
    level: Level,
    listen: Listen,
    routes: Vec<Route>,
    aliases: BTreeMap<String, String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    #[default]
    Info,
    Debug,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Listen {
    address: String,
    threads: u32,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    model: String,
    pool: String,
}

fn environment(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("4081".into()),
        "DEV" => Some("1".into()),
        "SECRET" => Some("sk-canary-1234".into()),
        "NASTY" => Some("a: b # c\nport: 1".into()),
        _ => None,
    }
}

fn parse(text: &str) -> Settings {
    match read(FILE, text, &environment) {
        Ok((settings, _)) => settings,
        Err(problems) => panic!("{problems:#?}"),
    }
}

fn problems(text: &str) -> Vec<String> {
    let problems = read::<Settings>(FILE, text, &environment)
        .map(|(value, _)| value)
        .unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

const FILE: &str = "gateway.yaml";

#[test]
fn nothing_in_a_file_means_the_defaults() {
    for text in [
        "",
        "\n",
        "# only a comment\n",
        "---\n",
        "---\n...\n",
        "\u{feff}",
    ] {
        assert_eq!(parse(text), Settings::default(), "{text:?}");
    }
    assert_eq!(
        parse("listen:\nroutes:\naliases:\nname:\n"),
        Settings::default()
    );
}

#[test]
fn variables_fit_numbers_booleans_and_strings() {
    for text in [
        "port: ${PORT}\ndev: ${DEV}",
        "port: \"${PORT}\"\ndev: '${DEV}'",
    ] {
        assert_eq!((parse(text).port, parse(text).dev), (4081, true));
    }
    assert_eq!(parse("name: ${PORT}").name.as_deref(), Some("4081"));
    assert_eq!(parse("name: os.environ/PORT").name.as_deref(), Some("4081"));
    assert_eq!(parse("name: ${NONE:-}").name, None);
    assert_eq!(parse("ratio: ${NONE:-1}").ratio, 1.0);
}

#[test]
fn a_variable_cannot_add_yaml() {
    let settings = parse("name: ${NASTY}\nport: 7");
    assert_eq!(settings.name.as_deref(), Some("a: b # c\nport: 1"));
    assert_eq!(settings.port, 7);
}

#[test]
fn a_missing_variable_names_file_line_column_and_key() {
    assert_eq!(
        problems("port: 1\nlisten:\n  address: ${NOT_THERE}\n"),
        [
            "gateway.yaml:3:12: listen.address: the environment variable `NOT_THERE` is not set; \
          set it, or write `${NOT_THERE:-default}`"
        ]
    );
}

#[test]
fn all_problems_are_found_at_once_and_in_order() {
    let text = "
prot: 4080
port: 70000
dev: yes
level: debgu
listen:
  adress: x
  threads: [1]
routes:
  - model: a
  - model: b
    pol: c
  - 7
name: {}
";
    let found = problems(text);
    let expected = [
        "gateway.yaml:2:1: prot: unknown key `prot`; did you mean `port`?",
        "gateway.yaml:3:7: port: expected a whole number from 0 to 65535, found 70000",
        "gateway.yaml:4:6: dev: expected true or false, found a string",
        "gateway.yaml:5:8: level: unknown value `debgu`; did you mean `debug`?",
        "gateway.yaml:7:3: listen.adress: unknown key `adress`; did you mean `address`?",
        "gateway.yaml:8:12: listen.threads: expected a whole number that is not negative, \
         found a list",
        "gateway.yaml:10:5: routes.0: the key `pool` is missing",
        "gateway.yaml:12:5: routes.1.pol: unknown key `pol`; did you mean `pool`?",
        "gateway.yaml:13:5: routes.2: expected a mapping of keys to values, found a whole number",
        "gateway.yaml:14:7: name: expected a string, found a mapping",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_key_that_stands_twice_is_a_mistake() {
    assert_eq!(
        problems("listen:\n  threads: 1\n  address: x\n  threads: 2\n"),
        ["gateway.yaml:4:3: listen.threads: the key `threads` stands twice in the same mapping"]
    );
}

#[test]
fn anchors_and_merge_keys_work_and_cannot_unfold_without_end() {
    let text = "
listen: &base {address: here, threads: 2}
aliases: {<<: {a: b, c: d}, a: own}
";
    let settings = parse(text);
    assert_eq!(settings.listen.threads, 2);
    assert_eq!(settings.aliases["a"], "own");
    assert_eq!(settings.aliases["c"], "d");

    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert!(
        problems(&bomb)[0].contains("more than 500000 values"),
        "{:?}",
        problems(&bomb)
    );
    assert!(problems(&"[".repeat(5000))[0].starts_with("gateway.yaml:1:"));
    assert!(problems(&"- ".repeat(5000))[0].starts_with("gateway.yaml:1:"));
    assert!(problems("a: &a [*a]")[0].contains("alias"));
}

#[test]
fn broken_yaml_says_where() {
    assert!(problems("port: [1\nname: x")[0].starts_with("gateway.yaml:"));
    assert!(problems("listen:\n\tthreads: 1")[0].contains("not valid YAML"));
    assert_eq!(
        problems("port: 1\n---\nport: 2")[0],
        "gateway.yaml:3:1: a second document"
    );
    assert!(problems("name: !vault x")[0].contains("`!vault` has no meaning here"));
}

#[test]
fn what_a_variable_holds_is_never_shown() {
    for text in [
        "port: ${SECRET}",
        "level: ${SECRET}",
        "dev: ${SECRET}",
        "listen: ${SECRET}",
    ] {
        let found = problems(text).join("\n");
        assert!(!found.contains("canary"), "{found}");
    }
    assert_eq!(
        problems("level: ${SECRET}"),
        ["gateway.yaml:1:8: level: unknown value `${SECRET}`, not one of info, debug"]
    );
}

#[test]
fn strings_that_look_like_something_else() {
    assert_eq!(parse("name: 3.50").name.as_deref(), Some("3.50"));
    assert_eq!(parse("name: !!str 7").name.as_deref(), Some("7"));
    assert_eq!(parse("name: \"\"").name.as_deref(), Some(""));
    assert!(problems("name: true")[0].contains("put it in quotes"));
    assert!(problems("port: \"1\"")[0].contains("take the quotes away"));
}

#[test]
fn positions_point_at_values_and_at_the_keys_of_collections() {
    let text = "listen:\n  address: x\nroutes:\n  - model: a\n    pool: b\n";
    let (_, positions) = read::<Settings>(FILE, text, &environment).unwrap();
    assert_eq!(positions.get("listen"), Some((1, 1)));
    assert_eq!(positions.get("listen.address"), Some((2, 12)));
    assert_eq!(positions.get("routes.0"), Some((4, 5)));
    assert_eq!(positions.get("routes.0.pool"), Some((5, 11)));
    let problem = positions.problem("listen.threads", "zero");
    assert_eq!(
        problem.to_string(),
        "gateway.yaml:1:1: listen.threads: zero"
    );
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Checked {
    even: Vec<Even>,
    other: u8,
}

#[derive(Debug)]
struct Even;

impl<'de> Deserialize<'de> for Even {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        let odd = || serde::de::Error::custom(format!("{number} is odd"));
        (number % 2 == 0).then_some(Even).ok_or_else(odd)
    }
}

#[test]
fn what_a_type_checks_itself_points_at_the_value_too() {
    let problems = read::<Checked>(FILE, "even: [2, 3, 5]\nother: x\n", &environment).unwrap_err();
    let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "gateway.yaml:1:11: even.1: 3 is odd",
            "gateway.yaml:1:14: even.2: 5 is odd",
            "gateway.yaml:2:8: other: expected a whole number from 0 to 255, found a string",
        ]
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*", shape in "[-:?&*#\\[\\]{}!|>'\"%@ \n\ta-c$0-2]*") {
        let _ = read::<Settings>(FILE, &text, &environment);
        let _ = read::<Settings>(FILE, &shape, &environment);
    }

    #[test]
    fn whatever_a_variable_holds_stays_one_string(value in "(?s).+") {
        let lookup = |_: &str| Some(value.clone());
        for text in ["name: ${X}\nport: 7", "name: \"${X}\"\nport: 7", "{name: os.environ/X, port: 7}"] {
            let (settings, _) = read::<Settings>(FILE, text, &lookup).unwrap();
            assert_eq!(settings.name.as_deref(), Some(value.as_str()));
            assert_eq!(settings.port, 7);
        }
    }
}
