//! One thread against many, over the same entries in memory: `cargo bench`.

use std::{io::Cursor, sync::Arc, thread::available_parallelism};

use batch::{Pieces, Rules, Source, parallel, serial};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// How many entries, of some 190 bytes.
const ENTRIES: usize = 100_000;

fn dump() -> Arc<[u8]> {
    let value = "0123456789abcdef".repeat(10);
    let entry = |number| format!("{{\"key\":\"user{}:{number}\",\"value\":\"{value}\"}}\n", number % 100);
    (0..ENTRIES).map(entry).collect::<String>().into_bytes().into()
}

fn throughput(criterion: &mut Criterion) {
    let rules = Rules { separator: ":".to_owned(), max_line_bytes: 1 << 24, max_prefixes: 1000 };
    let dump = dump();
    let pieces = || {
        let bytes = Box::new(Cursor::new(Arc::clone(&dump)));
        Pieces::new([Source { name: "dump".into(), bytes: Ok(bytes) }].into_iter(), rules.max_line_bytes)
    };
    let mut group = criterion.benchmark_group("throughput");
    group.throughput(Throughput::Bytes(dump.len() as u64)).sample_size(20);
    group.bench_function("serial", |bencher| bencher.iter(|| serial::total(pieces(), &rules)));
    for threads in 1..=available_parallelism().map_or(1, usize::from) {
        let run = |bencher: &mut criterion::Bencher<'_>| bencher.iter(|| parallel::total(pieces(), &rules, threads));
        group.bench_function(BenchmarkId::new("parallel", threads), run);
    }
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
