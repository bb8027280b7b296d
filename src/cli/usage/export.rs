//! `gateway usage export`: each request a line, read a page at a time, however many there are.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use clap::ValueEnum;

use super::{Which, asked, when};
use crate::store::usage::{Cell, Kept, Place};

/// Requests of a page.
const PAGE: u32 = 1000;

/// How requests are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Form {
    /// Comma-separated values (RFC 4180), with a line of titles
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// Prints the requests.
pub(super) fn run(which: &Which, form: Form, path: Option<&Path>) -> Result<(), String> {
    let said = |error: io::Error| match path {
        Some(path) => format!("{}: {error}", path.display()),
        None => error.to_string(),
    };
    asked(which, async |store| {
        let mut out = open(path).map_err(said)?;
        let shows_progress = path.is_some() && io::stderr().is_terminal();
        let scope = which.scope();
        let (mut after, mut count) = (Place::default(), 0_usize);
        if form == Form::Csv {
            let titles = Kept::names().into_iter().map(title);
            line(&mut out, titles.map(str::to_owned)).map_err(said)?;
        }
        loop {
            let page = store.requests(&scope, &after, PAGE).await;
            let (requests, end) = page.map_err(|error| error.to_string())?;
            for request in &requests {
                match print(&mut out, form, request) {
                    // Whoever reads has seen enough, as in `gateway usage export | head`.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    printed => printed.map_err(said)?,
                }
            }
            count += requests.len();
            if shows_progress {
                let _ = write!(io::stderr(), "\r{count} requests");
            }
            if requests.len() < PAGE as usize {
                break;
            }
            after = end;
        }
        if shows_progress {
            let _ = writeln!(io::stderr());
        }
        match out.flush() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(said(error)),
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

fn print(out: &mut impl Write, form: Form, request: &Kept) -> io::Result<()> {
    match form {
        Form::Csv => line(out, request.cells().map(|(name, cell)| text(name, cell))),
        Form::Jsonl => {
            serde_json::to_writer(&mut *out, request)?;
            writeln!(out)
        }
    }
}

fn text(name: &str, cell: &Cell) -> String {
    match cell {
        Cell::Integer(Some(at)) if name == "at" => when::shown(*at),
        Cell::Integer(Some(number)) => number.to_string(),
        Cell::Amount(Some(cost)) => cost.to_string(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Text(Some(text)) | Cell::Json(Some(text)) => harmless(text),
        _ => String::new(),
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
