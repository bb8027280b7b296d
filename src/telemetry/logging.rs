//! Log lines to standard output, JSON or text. A line is formatted where it arises and appended
//! to a bounded buffer; one thread writes the buffer out, so that a request never waits for a
//! terminal or a pipe, and a pipe that is stuck costs lines, not requests.

use std::{
    io::Write,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, SystemTime},
};

use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;
use serde_json::{Map, Value};

/// Lines that wait for standard output, at most.
const MAX_BUFFER_BYTES: usize = 8 << 20;
/// How long lines are gathered before they are written: long enough to make one write of many.
const GATHER: Duration = Duration::from_millis(40);

/// The process's logger.
pub struct Logger {
    shared: Arc<Shared>,
    json: bool,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    dropped: IntCounter,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    writing: bool,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Installs the logger. Later calls change the level only.
pub fn install(json: bool, level: LevelFilter, dropped: IntCounter) {
    let mut is_new = false;
    let logger = LOGGER.get_or_init(|| {
        is_new = true;
        Logger {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                wake: Condvar::new(),
                dropped,
            }),
            json,
        }
    });
    log::set_max_level(level);
    if is_new && log::set_logger(logger).is_ok() {
        let shared = logger.shared.clone();
        let _ = thread::Builder::new()
            .name("log".into())
            .spawn(move || write_out(&shared));
    }
}

/// Whether lines are JSON.
pub fn is_json() -> bool {
    LOGGER.get().is_some_and(|logger| logger.json)
}

/// Appends a finished line; its line break is added here.
pub fn write_line(line: &[u8]) {
    let Some(logger) = LOGGER.get() else { return };
    let mut state = logger.shared.state.lock();
    if state.buffer.len() + line.len() > MAX_BUFFER_BYTES {
        logger.shared.dropped.inc();
        return;
    }
    let was_empty = state.buffer.is_empty();
    state.buffer.extend_from_slice(line);
    state.buffer.push(b'\n');
    drop(state);
    if was_empty {
        logger.shared.wake.notify_one();
    }
}

/// Logs an event with fields, as `info`.
pub fn event(name: &str, fields: &[(&str, &str)]) {
    write_event(Level::Info, name, fields);
}

/// Logs an event with fields at a level.
pub fn write_event(level: Level, name: &str, fields: &[(&str, &str)]) {
    if level > log::max_level() {
        return;
    }
    if LOGGER.get().is_none() {
        // A command, whose logger is another.
        let fields: Vec<String> = fields
            .iter()
            .map(|(key, value)| format!("{key}={}", quoted(value)))
            .collect();
        log::log!(level, "{name} {}", fields.join(" "));
        return;
    }
    let time = timestamp(SystemTime::now()).to_string();
    if is_json() {
        let mut line = Map::new();
        line.insert("time".into(), time.into());
        line.insert("level".into(), level_name(level).into());
        line.insert("event".into(), name.into());
        for (key, value) in fields {
            line.insert((*key).into(), Value::from(*value));
        }
        write_line(Value::Object(line).to_string().as_bytes());
    } else {
        let mut line = format!("{time} {:5} {name}", level.as_str());
        for (key, value) in fields {
            line.push_str(&format!(" {key}={}", quoted(value)));
        }
        write_line(line.as_bytes());
    }
}

/// Waits until everything that has been logged is written, for at most a second.
pub fn flush() {
    let Some(logger) = LOGGER.get() else { return };
    let deadline = std::time::Instant::now() + Duration::from_secs(1);
    let mut state = logger.shared.state.lock();
    while !state.buffer.is_empty() || state.writing {
        logger.shared.wake.notify_one();
        if logger
            .shared
            .wake
            .wait_until(&mut state, deadline)
            .timed_out()
        {
            return;
        }
    }
}

/// A value for a text line: in quotes where it holds spaces, with line breaks escaped.
pub fn quoted(value: &str) -> String {
    if value.is_empty()
        || value.contains(|c: char| c.is_whitespace() || c == '"' || c == '=' || c.is_control())
    {
        format!("{value:?}")
    } else {
        value.to_owned()
    }
}

/// RFC 3339 in UTC with milliseconds.
pub fn timestamp(time: SystemTime) -> impl std::fmt::Display {
    humantime::format_rfc3339_millis(time)
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

fn write_out(shared: &Shared) {
    let mut lines = Vec::new();
    let mut output = std::io::stdout();
    loop {
        let mut state = shared.state.lock();
        while state.buffer.is_empty() {
            state.writing = false;
            shared.wake.notify_all();
            shared.wake.wait(&mut state);
        }
        state.writing = true;
        drop(state);
        #[expect(
            clippy::disallowed_methods,
            reason = "a thread of its own that serves nobody"
        )]
        thread::sleep(GATHER);
        std::mem::swap(&mut lines, &mut shared.state.lock().buffer);
        // Nobody is left to tell when standard output is closed.
        let _ = output.write_all(&lines).and_then(|()| output.flush());
        lines.clear();
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates know nothing of secrets: at `debug` Pingora prints whole request heads, keys
        // and all. Their warnings are for debugging; the request's own line says the same.
        let is_ours = metadata.target().starts_with("ai_gateway");
        let is_worth_it = metadata.level() <= Level::Warn && log::max_level() >= LevelFilter::Debug;
        metadata.level() <= log::max_level() && (is_ours || is_worth_it)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = record.args().to_string();
            let target = record.target();
            write_event(
                record.level(),
                "log",
                &[("message", &message), ("target", target)],
            );
        }
    }

    fn flush(&self) {
        flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_forge_a_second_line() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a b\nc"), "\"a b\\nc\"");
    }
}
