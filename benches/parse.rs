//! How long the gateway takes to find in a chat request what it needs: prose (long strings with
//! escapes) and an agent's (many tools and short strings), 1 KB to 1 MB.
//!
//! `cargo bench --bench parse`

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

#[path = "compare/src/load/bodies.rs"]
mod bodies;

use bodies::Answer;

/// A name, and what makes a body of so many bytes.
type Shape = (&'static str, fn(usize, Answer) -> String);

/// The call that is measured: `pub fn scan(body: &[u8]) -> Result<_, _>`.
fn scan(body: &[u8]) {
    let _ = black_box(ai_gateway::dialects::scan::scan(black_box(body)));
}

fn parse(criterion: &mut Criterion) {
    let shapes: [Shape; 2] = [("prose", bodies::prose), ("agent", bodies::agent)];
    for (shape, make) in shapes {
        let mut group = criterion.benchmark_group(shape);
        for bytes in [1 << 10, 16 << 10, 128 << 10, 1 << 20] {
            let body = make(bytes, Answer::Plain);
            group.throughput(Throughput::Bytes(body.len() as u64));
            let id = BenchmarkId::from_parameter(format!("{} KB", bytes >> 10));
            group.bench_with_input(id, body.as_bytes(), |bencher, body| {
                bencher.iter(|| scan(body));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, parse);
criterion_main!(benches);
