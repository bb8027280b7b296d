//! What each pair of dialects can express: asked of the translators themselves, and written down in
//! `docs/dialects.md`. A loss that is not reported fails the test.

mod answers;
mod features;

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use ai_gateway::{
    chat::target::{Operation, Quirks, ReasoningBack, Target},
    dialects::{Asked, Dialect, Route, by_name, translate},
    providers::catalog,
};

use features::{Feature, features};

const FRONTS: [&str; 5] = [
    "openai_chat",
    "openai_responses",
    "anthropic",
    "gemini",
    "ollama",
];
/// Each back end by the catalog's entry whose quirks it has, and a model there.
const BACKS: [Back; 7] = [
    ("openai_chat", "openai", "gpt-4.1"),
    ("openai_responses", "openai", "gpt-4.1"),
    ("anthropic", "anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini", "gemini-2.5-flash"),
    ("ollama", "ollama", "qwen3"),
    ("cohere", "cohere", "command-a-03-2025"),
    (
        "bedrock",
        "bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
];
/// Servers that differ from the first of their dialect.
const SERVERS: [Back; 8] = [
    ("openai_chat", "azure", "gpt-4.1"),
    ("openai_chat", "mistral", "mistral-large-latest"),
    ("openai_chat", "groq", "openai/gpt-oss-120b"),
    ("openai_chat", "deepseek", "deepseek-chat"),
    ("openai_chat", "openrouter", "anthropic/claude-sonnet-4.5"),
    ("openai_chat", "tgi", "tgi"),
    ("gemini", "vertex", "gemini-2.5-flash"),
    ("anthropic", "deepseek", "deepseek-chat"),
];
const LEGEND: &str = include_str!("legend.md");

/// A dialect, the catalog's entry of a provider that speaks it, and a model there.
type Back = (&'static str, &'static str, &'static str);

/// A request in the words of `front`, as its clients would send it; `None` where it has none for the feature.
fn asked(front: &dyn Dialect, feature: &Feature) -> Option<Asked> {
    // Whatever its clients may say, whoever is asked.
    let quirks = Quirks {
        developer_role: true,
        cache_control: true,
        custom_tools: true,
        allowed_tools: true,
        reasoning_back: ReasoningBack::Content,
        ..Quirks::default()
    };
    let model = ASKED_FOR;
    let target = Target {
        model,
        quirks: &quirks,
        operation: Operation::Generate,
    };
    let written = front.write_request(feature.request.clone(), &target).ok()?;
    let stream = feature.request.stream;
    let asked = read(front, &written.body, model, stream)?;
    let is_reported = feature.reported_as.iter().any(|name| {
        written
            .dropped
            .names()
            .iter()
            .any(|dropped| dropped == name)
    });
    let in_words = feature
        .in_words
        .is_none_or(|(in_words, _)| in_words(&asked.request));
    let is_said = written.json_tool.is_none() && in_words && (feature.is_there)(&asked.request);
    (!is_reported && is_said).then_some(asked)
}

/// The model that a caller names: none of which anything is known.
const ASKED_FOR: &str = "m";

fn read(dialect: &dyn Dialect, body: &[u8], model: &str, stream: bool) -> Option<Asked> {
    let value = serde_json::from_slice(body).ok()?;
    let path = match (dialect.name(), stream) {
        ("gemini", false) => format!("/v1beta/models/{model}:generateContent"),
        ("gemini", true) => format!("/v1beta/models/{model}:streamGenerateContent"),
        ("bedrock", false) => format!("/model/{model}/converse"),
        ("bedrock", true) => format!("/model/{model}/converse-stream"),
        ("ollama", _) => "/api/chat".to_owned(),
        _ => "/".to_owned(),
    };
    dialect
        .read_request(
            value,
            &Route {
                path: &path,
                query: "alt=sse",
            },
        )
        .ok()
}

fn cell(
    front: &dyn Dialect,
    (dialect, entry, model): Back,
    feature: &Feature,
) -> Result<String, String> {
    let Some(asked) = asked(front, feature) else {
        return Ok("n/a".to_owned());
    };
    if front.name() == dialect {
        return Ok("same".to_owned());
    }
    let back = by_name(dialect).unwrap();
    // Not every model thinks.
    let is_openai =
        matches!(entry, "openai" | "azure") && feature.reported_as.contains(&"reasoning");
    let model = if is_openai { "gpt-5.1" } else { model };
    let quirks = &catalog()[entry].quirks;
    let target = Target {
        model,
        quirks,
        operation: Operation::Generate,
    };
    let translated = translate::request(asked.request.clone(), front, back, &target)
        .map_err(|error| error.to_string())?;
    let dropped: BTreeSet<&str> = translated
        .written
        .dropped
        .names()
        .iter()
        .map(String::as_str)
        .collect();
    let is_reported = |name: &&str| dropped.contains(name);
    if feature.reported_as.iter().any(is_reported) {
        return Ok("dropped".to_owned());
    }
    if translated.emulation.json_tool.is_some() {
        return Ok("emulated (a)".to_owned());
    }
    if !translated.emulation.custom_tools.is_empty() {
        return Ok("emulated (b)".to_owned());
    }
    let body = with_own_names(&translated.written.body, quirks);
    let again = read(back, &body, model, asked.request.stream).map(|asked| asked.request);
    let Some(again) = again.filter(|again| (feature.is_there)(again)) else {
        let body = String::from_utf8_lossy(&body);
        return Err(format!("lost; dropped {dropped:?}; {body}"));
    };
    match feature.in_words {
        Some((in_words, note)) if !in_words(&again) => Ok(format!("emulated ({note})")),
        _ => Ok("yes".to_owned()),
    }
}

/// A body with the names that the dialect has for members which a server calls otherwise.
fn with_own_names(body: &[u8], quirks: &Quirks) -> Vec<u8> {
    let mut body: serde_json::Value = serde_json::from_slice(body).unwrap();
    for (name, there) in &quirks.renames {
        if let Some(value) = body.as_object_mut().and_then(|all| all.shift_remove(there)) {
            body[name] = value;
        }
    }
    serde_json::to_vec(&body).unwrap()
}

/// The page so far, and what was lost in silence.
#[derive(Default)]
struct Page {
    text: String,
    lost: Vec<String>,
}

impl Page {
    fn head(&mut self, title: &str, columns: &[String]) {
        let head = columns.join(" | ");
        let rule = "---|".repeat(columns.len());
        let _ = write!(
            self.text,
            "\n{title}\n\n| feature | {head} |\n|---|{rule}\n"
        );
    }

    fn row(&mut self, front: &str, name: &str, cells: Vec<Result<String, String>>) {
        let _ = write!(self.text, "| {name} |");
        for (place, cell) in cells.into_iter().enumerate() {
            match cell {
                Ok(cell) => drop(write!(self.text, " {cell} |")),
                Err(why) => self
                    .lost
                    .push(format!("{front} → column {place}: {name}: {why}")),
            }
        }
        self.text.push('\n');
    }
}

#[test]
fn the_table_of_dialects_is_true_and_nothing_is_lost_in_silence() {
    let mut page = Page {
        text: LEGEND.to_owned(),
        ..Page::default()
    };
    let features = features();
    for name in FRONTS {
        let front = by_name(name).unwrap();
        let columns = BACKS.map(|(dialect, _, _)| dialect.to_owned());
        page.head(&format!("## Callers of `{name}`"), &columns);
        for feature in &features {
            let cells = BACKS.iter().map(|back| cell(front, *back, feature));
            page.row(name, feature.name, cells.collect());
        }
        for turn in answers::turns() {
            let cells = BACKS.iter().map(|back| turn.cell(front, *back));
            page.row(name, turn.name, cells.collect());
        }
        page.head(&format!("### Answers to callers of `{name}`"), &columns);
        for told in answers::answers() {
            let cells = BACKS
                .iter()
                .map(|back| told.cell(front, by_name(back.0).unwrap()));
            page.row(name, told.name, cells.collect());
        }
    }
    let columns = SERVERS.map(|(dialect, entry, _)| format!("{entry} ({dialect})"));
    let title = "## Servers that differ\n\nWhat a caller of `openai_responses` gets from servers that \
                 speak a dialect in their own way.";
    page.head(title, &columns);
    let front = by_name("openai_responses").unwrap();
    for feature in &features {
        let cells = SERVERS.iter().map(|server| cell(front, *server, feature));
        page.row("servers", feature.name, cells.collect());
    }
    assert_eq!(page.lost, [""; 0]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dialects.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &page.text).unwrap();
    }
    let stored = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        stored == page.text,
        "docs/dialects.md is stale; run `UPDATE_DOCS=1 cargo test --test it matrix`"
    );
}
