//! Whether the checks themselves are right: those who made the dialects keep their rules, and what
//! is taken out of a stream is missed.

use super::{
    corpus::{self, Exchange, Recording},
    grammar::{self, Face},
    reference,
};

/// The grammars themselves are judged by those who made them: what a dialect's own provider sends
/// keeps its rules.
#[test]
fn providers_keep_the_rules_of_their_own_dialects() {
    let recordings = corpus::load(corpus::folder());
    let mut faults = Vec::new();
    for recording in &recordings {
        for exchange in recording
            .exchanges
            .iter()
            .filter(|exchange| exchange.status < 400)
        {
            let own = own_faults(recording, exchange).into_iter();
            let own = own.filter(|fault| !is_lapse(&recording.provider, fault));
            for fault in own.filter(|fault| !grammar::is_new(fault)) {
                faults.push(format!("{} | {fault}", recording.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What providers do against their own references; the gateway never does it.
fn is_lapse(provider: &str, fault: &str) -> bool {
    const LAPSES: [(&str, &str); 5] = [
        // Each turn of a server tool ends with a reason of its own; old versions of the API know
        // neither id nor reason.
        ("gemini", "nothing of a candidate may follow its finish"),
        ("gemini", "`/responseId` must be a text"),
        ("gemini", "`/finishReason` must be one of"),
        // A turn in the middle of a program's run comes whole in its first event.
        ("anthropic", "`message_start` must have no content"),
        ("anthropic", "`message_delta` comes before `message_stop`"),
    ];
    let is_known = |(who, what): &(&str, &str)| *who == provider && fault.starts_with(what);
    LAPSES.iter().any(is_known)
}

/// The dialect of its own that a provider speaks in a recording.
fn own_face(recording: &Recording, exchange: &Exchange) -> Option<Face> {
    let query = exchange
        .request
        .as_ref()
        .map_or("", |request| &request.query);
    // Numbers for words were asked for.
    if query.contains("enum-encoding") {
        return None;
    }
    let is_array = exchange.answer.starts_with(b"[");
    let (dialect, form) = match (recording.provider.as_str(), recording.api.as_str()) {
        ("openai", "chat.completions") => ("openai_chat", None),
        ("openai", "responses") => ("openai_responses", None),
        ("anthropic", "messages") => ("anthropic", None),
        ("gemini" | "vertex", "generateContent") => ("gemini", is_array.then_some("array")),
        ("ollama", "api.chat") => ("ollama", None),
        ("ollama", "api.generate") => ("ollama", Some("generate")),
        _ => return None,
    };
    Some(Face {
        dialect,
        form,
        has_usage: true,
    })
}

fn own_faults(recording: &Recording, exchange: &Exchange) -> Vec<String> {
    let Some(face) = own_face(recording, exchange) else {
        return Vec::new();
    };
    if exchange.is_streamed {
        // One that the recorder broke off has no end.
        if reference::assemble(face.dialect, &exchange.answer).is_err() {
            return Vec::new();
        }
        return grammar::stream(face, &exchange.answer);
    }
    match serde_json::from_slice(&exchange.answer) {
        Ok(answer) => grammar::whole(face, &answer),
        Err(error) => vec![error.to_string()],
    }
}

/// Takes each event out of the providers' own streams in turn: the grammar or the answer tells.
#[test]
fn no_event_can_be_left_out_unnoticed() {
    let (mut tried, mut unnoticed) = (0, Vec::new());
    for recording in corpus::load(corpus::folder()) {
        for exchange in recording
            .exchanges
            .iter()
            .filter(|exchange| exchange.is_streamed)
        {
            let Some(face) = own_face(&recording, exchange) else {
                continue;
            };
            let Ok(whole) = reference::assemble(face.dialect, &exchange.answer) else {
                continue;
            };
            for (at, event) in droppable(&exchange.answer) {
                let mut stream = exchange.answer.clone();
                let end = at + event.len();
                stream.drain(at..end);
                tried += 1;
                let short = || reference::assemble(face.dialect, &stream);
                let same = || short().is_ok_and(|short| short == whole);
                if !is_nothing(&event) && is_sound(face, &stream) && same() {
                    unnoticed.push(format!("{} | {}", recording.name, super::json::cut(&event)));
                }
            }
        }
    }
    assert!(
        tried > 0 && unnoticed.is_empty(),
        "{tried} tried\n{}",
        unnoticed.join("\n")
    );
}

fn is_sound(face: Face, stream: &[u8]) -> bool {
    let faults = grammar::stream(face, stream);
    faults.iter().all(|fault| grammar::is_new(fault))
}

/// Events that add nothing.
fn is_nothing(event: &str) -> bool {
    const NOTHING: [&str; 9] = [
        "event: ping",
        r#""partial_json":"""#,
        r#""type":"text_delta","text":""}"#,
        r#""type":"thinking_delta","thinking":""}"#,
        r#""stringValue":"""#,
        r#""functionCall":{}"#,
        r#""functionCall":{"willContinue":true}"#,
        r#""delta":{"content":""},"finish_reason":null"#,
        r#""delta":{},"finish_reason":null"#,
    ];
    NOTHING.iter().any(|nothing| event.contains(nothing))
}

/// The first events of a stream and the last, and where each begins.
fn droppable(stream: &[u8]) -> Vec<(usize, String)> {
    let text = String::from_utf8_lossy(stream);
    let blank = if text.contains("\r\n\r\n") {
        "\r\n\r\n"
    } else if text.starts_with('{') {
        "\n"
    } else {
        "\n\n"
    };
    let mut at = 0;
    let mut events = Vec::new();
    for event in text.split_inclusive(blank) {
        events.push((at, event.to_owned()));
        at += event.len();
    }
    let last = events.len().saturating_sub(6);
    let all = events.into_iter().enumerate();
    all.filter(|(place, _)| *place < 6 || *place >= last)
        .map(|(_, event)| event)
        .collect()
}
