//! `gateway usage export`: each request a line, read a page at a time, however many there are.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use clap::ValueEnum;
use serde_json::Value;

use super::{
    super::{
        failure::Failure,
        port::{Needs, with, with_query},
        progress::Progress,
    },
    Which, when,
};
use crate::store::usage::Kept;

/// How requests are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Form {
    /// Comma-separated values (RFC 4180), with a line of titles
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// Prints the requests.
pub(super) fn run(which: &Which, form: Form, path: Option<&Path>) -> Result<(), Failure> {
    let said = |error: io::Error| match path {
        Some(path) => format!("{}: {error}", path.display()),
        None => error.to_string(),
    };
    let mut query = which.query();
    query.push(("key", which.key.clone()));
    let first = with_query("/admin/requests/export", &query);
    with(&which.of, Needs::Recorded, async |port| {
        let mut page = port.get(&first).await?;
        let mut out = open(path).map_err(said)?;
        let (progress, mut count) = (path.map(|_| Progress::new()), 0_usize);
        let columns = Kept::names();
        if form == Form::Csv {
            let titles = columns.iter().map(|column| title(column).to_owned());
            line(&mut out, titles).map_err(said)?;
        }
        loop {
            let requests = page.get("data").and_then(Value::as_array);
            for request in requests.into_iter().flatten() {
                count += 1;
                match print(&mut out, form, &columns, request) {
                    // Whoever reads has seen enough, as in `gateway usage export | head`.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    printed => printed.map_err(said)?,
                }
            }
            if let Some(progress) = &progress {
                progress.say(&format!("{count} requests"));
            }
            let Some(next) = page.get("next").and_then(Value::as_str) else {
                break;
            };
            let next = [("after", Some(next.to_owned()))];
            page = port.get(&with_query(&first, &next)).await?;
        }
        match out.flush() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(said(error).into()),
            _ => Ok(()),
        }
    })
}

/// A file is for its owner only: it says who asked what.
fn open(path: Option<&Path>) -> io::Result<Box<dyn Write>> {
    let Some(path) = path else {
        return Ok(Box::new(BufWriter::new(io::stdout())));
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    Ok(Box::new(BufWriter::new(options.open(path)?)))
}

fn title(column: &'static str) -> &'static str {
    match column {
        "at" => "time",
        "cost" => "cost_usd",
        "stated_cost" => "stated_cost_usd",
        other => other,
    }
}

fn print(
    out: &mut impl Write,
    form: Form,
    columns: &[&'static str],
    request: &Value,
) -> io::Result<()> {
    match form {
        Form::Csv => line(out, columns.iter().map(|column| text(column, request))),
        Form::Jsonl => {
            serde_json::to_writer(&mut *out, request)?;
            writeln!(out)
        }
    }
}

fn text(column: &'static str, request: &Value) -> String {
    match request.get(if column == "cost" { "cost_usd" } else { column }) {
        Some(Value::Number(at)) if column == "at" => {
            at.as_i64().map(when::shown).unwrap_or_default()
        }
        // All its digits, without an exponent.
        Some(Value::Number(number)) if column == "cost" => number
            .as_f64()
            .map(|cost| cost.to_string())
            .unwrap_or_default(),
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => harmless(text),
        Some(list @ (Value::Array(_) | Value::Object(_))) => harmless(&list.to_string()),
        Some(other) => other.to_string(),
    }
}

/// What clients write may not become a formula where the file is opened as a table.
fn harmless(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

fn line(out: &mut impl Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        match cell.contains([',', '"', '\n', '\r']) {
            true => write!(out, "\"{}\"", cell.replace('"', "\"\""))?,
            false => out.write_all(cell.as_bytes())?,
        }
    }
    out.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_write_stays_in_its_cell_and_is_no_formula() {
        let mut out = Vec::new();
        let cells = ["a", "b,c", "d\"e\nf", ""].map(str::to_owned);
        line(&mut out, cells.into_iter()).unwrap();
        assert_eq!(out, b"a,\"b,c\",\"d\"\"e\nf\",\r\n");
        assert_eq!(harmless("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(harmless("gpt-4o"), "gpt-4o");
    }
}
