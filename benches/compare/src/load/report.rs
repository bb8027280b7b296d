//! A whole run, for the tables, the plot and the file of numbers.

use serde::Serialize;

use crate::count::Instructions;
use crate::memory::Memory;
use crate::numbers::{Field, Numbers, median, middle, paired};
use crate::plan::{Case, Shape};

/// Where the upstream alone and bare Pingora stand among the measured.
pub(crate) const UPSTREAM: usize = 0;
pub(crate) const BARE: usize = 1;

/// All numbers. The first proxy is bare Pingora; in `numbers` the upstream itself stands before it.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) placement: String,
    /// Of the proxies.
    pub(crate) names: Vec<&'static str>,
    pub(crate) cases: Vec<Case>,
    /// By case, target and round.
    pub(crate) numbers: Vec<Vec<Vec<Numbers>>>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) instructions: Vec<Instructions>,
    pub(crate) notes: Vec<String>,
}

impl Report {
    /// A case's and a target's rounds.
    pub(crate) fn rounds(&self, case: usize, target: usize) -> &[Numbers] {
        &self.numbers[case][target]
    }

    pub(crate) fn middle(&self, case: usize, target: usize, field: Field) -> Option<f64> {
        middle(self.rounds(case, target), field)
    }

    /// To bare Pingora in the same round: each round's ratio.
    pub(crate) fn ratios(&self, case: usize, target: usize, field: Field) -> Vec<f64> {
        let (own, bare) = (self.rounds(case, target), self.rounds(case, BARE));
        paired(own, bare, field, |own, bare| own / bare)
    }

    pub(crate) fn ratio(&self, case: usize, target: usize, field: Field) -> Option<f64> {
        median(self.ratios(case, target, field))
    }

    /// Above bare Pingora in the same round.
    pub(crate) fn added(&self, case: usize, target: usize, field: Field) -> Option<f64> {
        let (own, bare) = (self.rounds(case, target), self.rounds(case, BARE));
        median(paired(own, bare, field, |own, bare| own - bare))
    }

    /// The cases of plain answers, or those of streams.
    pub(crate) fn cases_of(&self, streamed: bool) -> impl Iterator<Item = (usize, &Case)> {
        let cases = self.cases.iter().enumerate();
        cases.filter(move |(_, case)| (case.shape != Shape::Plain) == streamed)
    }

    /// The proxies with their places in `numbers`.
    pub(crate) fn proxies(&self) -> impl Iterator<Item = (usize, &'static str)> {
        (BARE..).zip(self.names.iter().copied())
    }
}

/// How the targets ran.
pub(crate) fn placement(threads: usize, apart: bool) -> String {
    let placed = if apart {
        "on processors of their own, the load and the upstream on the others"
    } else {
        "on the same processors as the load and the upstream"
    };
    let plural = if threads == 1 { "" } else { "s" };
    format!("targets with {threads} thread{plural} each, {placed}")
}
