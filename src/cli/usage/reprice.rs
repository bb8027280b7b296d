//! `gateway usage reprice`: what requests of the past cost by the prices of now.

use super::Which;
use crate::{
    cli::{
        failure::Failure,
        port::on_store,
        progress::Progress,
        table::{NOTHING, Table},
    },
    price::Usd,
    usage::reprice::{How, Line, Pricer, Report, reprice},
};

/// Prices them, and prints nothing but how far it is.
pub(super) fn run(which: &Which, how: How) -> Result<Report, Failure> {
    let progress = Progress::new();
    on_store(&which.of, async |opened| {
        let serving = opened.store.serving(&opened.sealer).await?;
        let pricer = Pricer::new(&opened.config, &serving);
        let scope = which.scope();
        let say = |seen| progress.say(&format!("{seen} requests"));
        Ok(reprice(&opened.store, &pricer, &scope, how, say).await?)
    })
}

/// What changed, by provider and model, and what it came to.
pub(super) fn table(report: &Report, how: How) -> String {
    let total = &report.total;
    if total.requests == 0 {
        return "no requests in that time".to_owned();
    }
    let mut table = Table::titled(&[
        "PROVIDER",
        "MODEL",
        "REQUESTS",
        "CHANGED",
        "BEFORE USD",
        "NOW USD",
        "DIFFERENCE",
    ]);
    let changed = report.lines.iter().filter(|line| line.changed > 0);
    for line in changed {
        table.row(cells(line, &line.provider, &line.model));
    }
    table.row(cells(total, "total", NOTHING));
    let mut text = table.to_string();
    let mut say = |sentence: String| {
        text.push('\n');
        text.push_str(&sentence);
    };
    say(String::new());
    match how.is_dry {
        true => say(format!(
            "{} costs would change; nothing was written",
            total.changed
        )),
        false => say(format!(
            "{} costs were written, with all sums and spending",
            report.written
        )),
    }
    if total.unpriced > 0 {
        let count = total.unpriced;
        say(format!(
            "{count} requests have no price now, and stay as they are"
        ));
    }
    if total.incomplete > 0 {
        say(format!(
            "{} requests are from before all kinds of tokens were kept, and stay as they are; `--incomplete` \
             prices what is known of them",
            total.incomplete
        ));
    }
    text
}

fn cells(line: &Line, first: &str, second: &str) -> [String; 7] {
    let shown = |name: &str| match name {
        "" => NOTHING.to_owned(),
        name => name.to_owned(),
    };
    [
        shown(first),
        shown(second),
        line.requests.to_string(),
        line.changed.to_string(),
        line.before_usd.to_string(),
        line.after_usd.to_string(),
        difference(line.before_usd, line.after_usd),
    ]
}

/// With its sign.
pub(super) fn difference(from: Usd, to: Usd) -> String {
    match from <= to {
        true => format!("+{}", to.saturating_sub(from)),
        false => format!("-{}", from.saturating_sub(to)),
    }
}
