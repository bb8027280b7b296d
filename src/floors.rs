//! The house stands only if arrows point down: every `crate::` path in a module is checked
//! against the floors of the map in `lib.rs`.

use std::{fs, path::Path};

const FLOORS: [&[&str]; 8] = [
    &[
        "blocking", "chat", "error", "identity", "pattern", "price", "row", "secret", "yaml",
    ],
    &["providers", "telemetry"],
    &["config"],
    &["dialects", "health", "redis_client", "store"],
    &["upstream"],
    &["auth", "cache", "limits", "routing", "usage"],
    &["gateway", "snapshot"],
    &["proxy", "admin", "tasks"],
];
/// Above all floors: they may use everything but each other's insides.
const ASSEMBLY: [&str; 2] = ["server", "cli"];
/// Within a floor these arrows are drawn on purpose.
const ALLOWED: [(&str, &str); 10] = [
    ("snapshot", "gateway"),
    ("error", "chat"),
    ("chat", "error"),
    ("price", "chat"),
    ("row", "chat"),
    ("row", "price"),
    ("identity", "pattern"),
    ("identity", "price"),
    ("identity", "secret"),
    ("cli", "server"),
];

fn floor(module: &str) -> Option<usize> {
    if let Some(at) = ASSEMBLY.iter().position(|name| *name == module) {
        return Some(FLOORS.len() + at);
    }
    FLOORS.iter().position(|names| names.contains(&module))
}

fn check(file: &Path, module: &str, wrong: &mut Vec<String>) {
    let text = fs::read_to_string(file).unwrap();
    // A test may look at the whole house.
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut names = Vec::new();
    for (_, rest) in code
        .match_indices("crate::")
        .map(|(at, found)| code.split_at(at + found.len()))
    {
        match rest.strip_prefix('{') {
            // The first word of each branch of `use crate::{a::b, c}`, at its own depth.
            Some(group) => {
                let mut depth = 0_i32;
                let mut is_start = true;
                let mut word = String::new();
                for letter in group.chars() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => is_start = true,
                        _ if depth == 0
                            && is_start
                            && (letter.is_alphanumeric() || letter == '_') =>
                        {
                            word.push(letter);
                            continue;
                        }
                        _ => {}
                    }
                    if !word.is_empty() {
                        names.push(std::mem::take(&mut word));
                        is_start = letter == ',' && depth == 0;
                    }
                }
                names.extend((!word.is_empty()).then_some(word));
            }
            None => names.push(
                rest.chars()
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect(),
            ),
        }
    }
    for name in names {
        let (Some(from), Some(to)) = (floor(module), floor(&name)) else {
            continue;
        };
        let is_allowed = ALLOWED.contains(&(module, name.as_str()));
        if name != module && to >= from && !is_allowed {
            wrong.push(format!("{} uses crate::{name}", file.display()));
        }
    }
}

fn walk(path: &Path, module: &str, wrong: &mut Vec<String>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, module, wrong);
        } else if !path.ends_with("tests.rs") {
            check(&path, module, wrong);
        }
    }
}

#[test]
fn arrows_between_modules_point_down() {
    let mut wrong = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = 0;
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        if floor(&module).is_none() {
            assert!(
                ["lib", "main", "floors"].contains(&module.as_str()),
                "{module} has no floor"
            );
            continue;
        }
        modules += 1;
        if path.is_dir() {
            walk(&path, &module, &mut wrong);
        } else {
            check(&path, &module, &mut wrong);
        }
    }
    assert!(modules > 15);
    assert_eq!(wrong, Vec::<String>::new());
}
