//! Octets to values and back: what a publish costs to be read, a delivery to be written, and a table either way.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has to stop")]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leveret_protocol::frame::{self, Split};
use leveret_protocol::{
    ContentHeader, FieldTable, FieldValue, HeaderView, Method, Properties, ShortString, basic, fast,
};

/// Messages that are read, or written, together.
const BATCH: u32 = 50;
const FRAME_MAX: u32 = 131_072;

/// Frames of publishes as a client sends them.
fn publishes(size: usize) -> BytesMut {
    let mut out = BytesMut::new();
    let publish = basic::Publish { routing_key: ShortString::new("orders").unwrap(), ..basic::Publish::default() };
    let properties = Properties { delivery_mode: Some(2), ..Properties::default() };
    let body = vec![b'x'; size];
    for _ in 0..BATCH {
        Method::from(publish.clone()).write_frame(1, &mut out);
        ContentHeader::new(size as u64, properties.clone()).write_frame(1, &mut out);
        frame::write_frame(&mut out, frame::FrameKind::Body, 1, |out| out.extend_from_slice(&body));
    }
    out
}

/// Reads all frames; tells how many octets of bodies there were.
fn read(mut input: &[u8]) -> usize {
    let mut bodies = 0;
    while let Split::Frame { frame, consumed } = frame::split(input, FRAME_MAX).unwrap() {
        match frame.kind {
            frame::FrameKind::Method => _ = black_box(fast::publish(frame.payload).unwrap()),
            frame::FrameKind::Header => _ = black_box(HeaderView::parse(frame.payload).unwrap()),
            frame::FrameKind::Body => bodies += frame.payload.len(),
            frame::FrameKind::Heartbeat => {}
        }
        input = input.get(consumed..).unwrap_or_default();
    }
    bodies
}

fn write(out: &mut BytesMut, header: &[u8], body: &[u8]) {
    out.clear();
    for delivery_tag in 1..=u64::from(BATCH) {
        fast::write_deliver(
            out,
            1,
            b"consumer-1",
            delivery_tag,
            false,
            b"\0\x06orders",
            header,
            body,
            FRAME_MAX as usize,
        );
    }
    black_box(&out);
}

/// Headers as applications send them, with a table in the table.
fn headers() -> FieldTable {
    let mut inner = FieldTable::new();
    inner.insert("queue", FieldValue::text("orders"));
    inner.insert("count", FieldValue::I64(3));
    let mut headers = FieldTable::new();
    for (name, value) in [
        ("tenant", FieldValue::text("a-tenant-of-many")),
        ("trace-id", FieldValue::text("4bf92f3577b34da6a3ce929d0e0e4736")),
        ("attempt", FieldValue::I32(1)),
        ("created", FieldValue::I64(1_764_000_000_000)),
        ("urgent", FieldValue::Bool(true)),
        ("origin", FieldValue::Table(inner)),
    ] {
        headers.insert(name, value);
    }
    headers
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protocol");
    group.throughput(Throughput::Elements(BATCH.into()));
    for size in [16, 1024] {
        let input = publishes(size);
        group.bench_function(format!("read a publish of {size} B"), |bencher| bencher.iter(|| read(black_box(&input))));
        let mut header = BytesMut::new();
        ContentHeader::new(size as u64, Properties { delivery_mode: Some(2), ..Properties::default() })
            .encode(&mut header);
        let (body, mut out) = (vec![b'x'; size], BytesMut::new());
        group.bench_function(format!("write a delivery of {size} B"), |bencher| {
            bencher.iter(|| write(&mut out, &header, black_box(&body)));
        });
    }
    group.throughput(Throughput::Elements(1));
    let (table, mut octets) = (headers(), BytesMut::new());
    table.encode(&mut octets);
    group.bench_function("read a table of 6 fields, one a table", |bencher| {
        bencher.iter(|| FieldTable::decode(black_box(&octets)).unwrap());
    });
    let mut out = BytesMut::new();
    group.bench_function("write a table of 6 fields, one a table", |bencher| {
        bencher.iter(|| {
            out.clear();
            table.encode(&mut out);
            black_box(&out);
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
