//! Every fault of a provider, at one target of two and at all of them, plain and streamed: no
//! request fails that another target could have served, no answer looks complete that is not, and
//! nobody is asked more often than agreed. `FAULT_REQUESTS=10000` sets the requests of a cell.

mod all_targets;
mod broken;
mod caller;
mod fault;
mod load;
mod one_target;
mod scene;
mod storm;

/// Connections that ask at the same time.
const CONNECTIONS: usize = 32;

/// The requests of one cell.
fn requests() -> usize {
    let set = std::env::var("FAULT_REQUESTS").ok();
    set.map_or(200, |count| count.parse().expect("a number of requests"))
}
