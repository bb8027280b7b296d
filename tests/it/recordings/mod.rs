//! Recorded exchanges with real providers (`tests/fixtures/recordings`, or `RECORDINGS_DIR`), run
//! through every dialect: read and written back without loss, streams put together as the provider's
//! own SDK does, and carried over into every other dialect whose rules the result must keep.
//!
//! ```text
//! corpus     the recordings              reference  streams as the SDKs put them together
//! apis       which dialect speaks what   said       what an answer says, read by its own dialect
//! replay     a stream through the parts  grammar    the rules of the dialects that callers speak
//! request answer again render carried turns settings errors passed    the checks
//! export     files for scripts/sdks.py
//! selfcheck  whether the checks themselves are right
//! normal     the closed list of differences that change nothing
//! report     the table at the end
//! ```
//!
//! `cargo test --test it recordings -- --nocapture` prints the report.

mod again;
mod answer;
pub mod apis;
mod carried;
pub mod corpus;
mod errors;
mod export;
mod grammar;
mod json;
mod normal;
mod passed;
mod quirks;
mod random;
pub mod reference;
mod render;
mod replay;
mod report;
mod request;
pub mod said;
mod selfcheck;
mod settings;
mod turns;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use ai_gateway::{
    chat::target::Operation,
    dialects::{Call, Dialect},
};

use apis::Kind;
use corpus::{Exchange, Recording};
use report::Account;

#[test]
fn recorded_exchanges_survive_every_translation() {
    let recordings = corpus::load(corpus::folder());
    assert!(
        !recordings.is_empty(),
        "no recordings in {}",
        corpus::folder().display()
    );
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(recording) = recordings.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((recording, judge(recording)));
        }
        done
    };
    let mut accounts: Vec<_> = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker"))
            .collect()
    });
    accounts.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let (text, is_sound) = report::write(&accounts);
    print!("{text}");
    assert!(is_sound, "some recordings failed: see the report");
}

/// Runs all checks on a recording. A panic is a failure of its.
fn judge(recording: &Recording) -> Account {
    let mut account = Account::default();
    for (at, exchange) in recording.exchanges.iter().enumerate() {
        account.exchange = at;
        let judged = catch_unwind(AssertUnwindSafe(|| {
            judge_exchange(&recording.api, exchange, &mut account);
        }));
        if let Err(panic) = judged {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            account.fail("panic", text.unwrap_or_default());
        }
    }
    account
}

fn judge_exchange(api: &str, exchange: &Exchange, account: &mut Account) {
    let asked = exchange
        .request
        .as_ref()
        .filter(|request| request.body.is_object());
    match apis::kind(api, asked.map(|request| &request.body)) {
        Kind::Skipped(why) => account.skip(why),
        Kind::Passed(dialect) => passed::exchange(dialect, exchange, account),
        Kind::Count(dialect) => {
            if let Some(asked) = asked
                .and_then(|asked| request::read(dialect, asked, account).map(|read| (asked, read)))
            {
                request::write_back(dialect, asked.0, &asked.1, Operation::CountTokens, account);
            }
            passed::token_count(dialect, exchange, asked, account);
        }
        Kind::Spoken(dialect) => spoken(dialect, api, exchange, account),
    }
}

fn spoken(dialect: &'static dyn Dialect, api: &str, exchange: &Exchange, account: &mut Account) {
    let call = requested(dialect, exchange, account);
    if exchange.status >= 400 {
        return errors::read(dialect, exchange, account);
    }
    let answer = match (exchange.is_streamed, api) {
        (true, "invoke") => answer::invoked(dialect, exchange, &call, account),
        (true, _) => answer::streamed(dialect, exchange, &call, account),
        (false, _) => answer::whole(dialect, &exchange.answer, &call, account),
    };
    if let Some(answer) = answer {
        render::all(dialect, &answer, account);
    }
}

/// Checks the request, and says how its caller is to be answered.
fn requested(dialect: &'static dyn Dialect, exchange: &Exchange, account: &mut Account) -> Call {
    let asked = exchange
        .request
        .as_ref()
        .filter(|request| request.body.is_object());
    let Some(request) = asked else {
        account.skip("no request was recorded");
        return Call::default();
    };
    request::inspect(dialect, request, account);
    let Some(asked) = request::read(dialect, request, account) else {
        return Call::default();
    };
    request::write_back(dialect, request, &asked, Operation::Generate, account);
    carried::to_all(dialect, &asked, account);
    asked.call
}
