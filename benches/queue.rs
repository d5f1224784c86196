//! The queue's machine alone: what a message costs from publish to settle, through a queue of one lane and of several.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has to stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leveret::broker::ids::{CheckoutId, ConsumerId};
use leveret::broker::message::{Message, MessageArena, Traits};
use leveret::broker::queue::{Arrival, Effect, Input, Outcome, Queue, Settings, Subscription};
use leveret::broker::time::Timestamp;

const ANN: ConsumerId = ConsumerId(1);
/// Messages that come, and are settled, together.
const BATCH: u64 = 50;
/// Messages that are ready at once where there is a backlog.
const BACKLOG: usize = 10_000;

/// Their priorities are 0 to 9 in turn.
fn messages() -> Vec<Message> {
    let mut arena = MessageArena::default();
    let mut message = |priority| {
        let header = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0x08, 0, priority];
        arena.store(b"\0\x01q", &header, b"body", Traits::PRIORITY, Timestamp::ZERO).unwrap()
    };
    (0..10).cycle().take(50).map(&mut message).collect()
}

fn run(queue: &mut Queue, input: Input<'_>, effects: &mut Vec<Effect>) {
    queue.handle(Timestamp::ZERO, input, effects).unwrap();
    black_box(&effects);
    effects.clear();
}

/// Batches come, go to a consumer and are acknowledged.
fn pass_through(bencher: &mut criterion::Bencher<'_>, queue: Queue) {
    let (mut queue, messages) = (queue, messages());
    let (mut effects, mut arrivals, mut last) = (Vec::new(), Vec::new(), 0);
    let subscription = Subscription {
        consumer: ANN,
        no_ack: false,
        exclusive: false,
        priority: 0,
        prefetch: 0,
        channel_limited: false,
        timeout: None,
        window: usize::MAX,
    };
    run(&mut queue, Input::Subscribe(subscription), &mut effects);
    bencher.iter(|| {
        arrivals.extend(messages.iter().cloned().map(Arrival::from));
        run(&mut queue, Input::Publish(&mut arrivals), &mut effects);
        let checkouts: Vec<CheckoutId> = (last + 1..=last + BATCH).map(CheckoutId).collect();
        last += BATCH;
        run(&mut queue, Input::Settle { consumer: ANN, checkouts: &checkouts, outcome: Outcome::Ack }, &mut effects);
    });
}

/// Batches come behind a backlog whose head is got one by one.
fn behind_a_backlog(bencher: &mut criterion::Bencher<'_>, queue: Queue) {
    let (mut queue, messages) = (queue, messages());
    let (mut effects, mut arrivals) = (Vec::new(), Vec::new());
    arrivals.extend(messages.iter().cloned().cycle().take(BACKLOG).map(Arrival::from));
    run(&mut queue, Input::Publish(&mut arrivals), &mut effects);
    bencher.iter(|| {
        arrivals.extend(messages.iter().cloned().map(Arrival::from));
        run(&mut queue, Input::Publish(&mut arrivals), &mut effects);
        for _ in 0..BATCH {
            run(&mut queue, Input::Get { consumer: ANN, no_ack: true }, &mut effects);
        }
    });
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(BATCH));
    let one_lane = || Queue::new(false).with(Timestamp::ZERO, Settings::default());
    group.bench_function("one lane, passing through", |bencher| pass_through(bencher, one_lane()));
    group.bench_function("one lane, behind a backlog", |bencher| behind_a_backlog(bencher, one_lane()));
    for highest in [9, 255] {
        let lanes =
            || Queue::new(false).with(Timestamp::ZERO, Settings { max_priority: highest, ..Settings::default() });
        let name = |what| format!("priorities to {highest}, {what}");
        group.bench_function(name("passing through"), |bencher| pass_through(bencher, lanes()));
        group.bench_function(name("behind a backlog"), |bencher| behind_a_backlog(bencher, lanes()));
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
