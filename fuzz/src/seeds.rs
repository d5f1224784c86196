//! The scripts that fuzzing begins with: each part of the protocol once, as clients use it.

use leveret_protocol::{Properties, basic, channel, confirm, connection, queue, tx};

use crate::samples::{handshake, joined, method, methods, name, publish, step, telling};
use crate::script::{Profile, Script, Step, Timed};

const DELIVER: u8 = 0;
const CANCEL: u8 = 1;
const FORCE_CLOSE: u8 = 2;
const DELIVER_TO_THE_GONE: u8 = 3;
const WANT: u8 = 6;

/// Answers that say no to a login, a vhost, a request or a publish.
const REFUSED: u8 = 4;
const CONNECTION_ERROR: u8 = 5;
const RICH: u8 = 2;
const LATER: u8 = 7;

/// Names and scripts.
#[must_use]
pub fn all() -> Vec<(String, Script)> {
    let mut all = Vec::new();
    for (profile, suffix) in [(Profile::OPEN, ""), (Profile::OPEN | Profile::TWICE, "_twice")] {
        for (name, steps) in conversations() {
            all.push((format!("{name}{suffix}"), script(profile, steps)));
        }
    }
    let tight = Profile::OPEN | Profile::TIGHT | Profile::DYNAMIC;
    all.push(("consuming_within_tight_limits".to_owned(), script(tight, consuming(1))));
    all.push(("publishing_within_tight_limits".to_owned(), script(tight, publishing(1))));
    all.push(("echo".to_owned(), script(Profile::OPEN | Profile::ECHO, echoing())));
    all.push(("no_limits".to_owned(), script(Profile::OPEN | Profile::BOUNDLESS, many_channels(40))));
    all.extend(beginnings());
    all
}

fn script(profile: u8, steps: Vec<Timed>) -> Script {
    Script { profile: Profile(profile), steps }
}

fn conversations() -> Vec<(&'static str, Vec<Timed>)> {
    vec![
        ("declaring", methods(1)[4..18].to_vec()),
        ("every_method", methods(1)[4..].to_vec()),
        ("consuming", consuming(1)),
        ("publishing", publishing(1)),
        ("a_large_body", publish(1, "q", Properties::default(), &[b'x'; 20_000], 5)),
        ("getting", getting()),
        ("transaction", transaction()),
        ("shared_limit", shared_limit()),
        ("waiting_for_the_store", waiting_for_the_store()),
        ("confirms", confirms()),
        ("several_channels", several_channels()),
        ("many_channels", many_channels(10)),
        ("direct_reply_to", direct_reply_to()),
        ("channel_error", channel_error()),
        ("refused_publishes", refused_publishes()),
        ("cancelled_consumers", cancelled_consumers()),
        ("client_closes", client_closes()),
        ("broker_closes", broker_closes()),
        ("silence", vec![step(Step::Time(2000)), step(Step::Time(4000)), step(Step::Time(4000))]),
    ]
}

fn beginnings() -> Vec<(String, Script)> {
    let whole = |answers: &[u8]| {
        let mut steps = vec![step(Step::Answers(answers.to_vec()))];
        steps.extend(handshake(1));
        steps.push(method(1, channel::Open::default()));
        steps.push(step(Step::Time(40)));
        steps
    };
    let late = handshake(0).into_iter().take(2).chain([step(Step::Time(1000))]).collect();
    let strange = vec![step(Step::Raw(b"GET / HTTP/1.1\r\n\r\n".to_vec()))];
    let pieces = handshake(10).into_iter().map(joined).collect();
    [
        ("handshake", whole(&[])),
        ("handshake_with_a_refused_login", whole(&[REFUSED])),
        ("handshake_with_a_refused_vhost", whole(&[0, REFUSED])),
        ("handshake_that_takes_too_long", late),
        ("handshake_in_one_piece", pieces),
        ("another_protocol", strange),
    ]
    .into_iter()
    .map(|(name, steps)| (name.to_owned(), script(0, steps)))
    .collect()
}

fn event(event: u8, argument: u8) -> Timed {
    step(Step::Event { event, argument })
}

fn answers(answers: &[u8]) -> Timed {
    step(Step::Answers(answers.to_vec()))
}

fn consume(on: u8, tag: &str) -> Timed {
    method(on, basic::Consume { queue: name("q"), consumer_tag: name(tag), ..basic::Consume::default() })
}

fn ack(on: u8, delivery_tag: u64, multiple: bool) -> Timed {
    method(on, basic::Ack { delivery_tag, multiple })
}

fn close(on: u8) -> Timed {
    method(on, channel::Close::default())
}

fn open(on: u8) -> Timed {
    method(on, channel::Open::default())
}

fn consuming(on: u8) -> Vec<Timed> {
    vec![
        method(on, basic::Qos { prefetch_count: 10, ..basic::Qos::default() }),
        consume(on, "one"),
        consume(on, "two"),
        event(DELIVER, 7),
        event(DELIVER, 1 << 4 | 7),
        ack(on, 1, false),
        ack(on, 5, true),
        method(on, basic::Nack { delivery_tag: 7, multiple: true, requeue: true }),
        method(on, basic::Reject { delivery_tag: 8, requeue: false }),
        method(on, basic::Qos { prefetch_count: 1, global: true, ..basic::Qos::default() }),
        joined(ack(on, 10, false)),
        method(on, basic::Cancel { consumer_tag: name("one"), nowait: false }),
        event(DELIVER_TO_THE_GONE, 0),
        method(on, basic::Recover { requeue: true }),
        event(DELIVER, 3),
        ack(on, 0, true),
        close(on),
    ]
}

fn publishing(on: u8) -> Vec<Timed> {
    let mut steps = publish(on, "q", Properties::default(), b"", 1);
    steps.extend(publish(on, "q", Properties::default(), b"small", 1));
    steps.extend(publish(on, "q", telling(), b"with properties", 2));
    steps.push(method(on, channel::Flow { active: true }));
    let apart = publish(on, "q", telling(), &[b'y'; 300], 3);
    steps.extend(apart.into_iter().map(|timed| Timed { joined: false, ..timed }));
    steps
}

fn echoing() -> Vec<Timed> {
    let mut steps = vec![consume(1, "c")];
    steps.extend(publishing(1));
    steps.push(ack(1, 3, true));
    steps.extend(publishing(1));
    steps.push(method(1, basic::Cancel { consumer_tag: name("c"), nowait: false }));
    steps
}

fn getting() -> Vec<Timed> {
    let get = |no_ack| method(1, basic::Get { queue: name("q"), no_ack, ..basic::Get::default() });
    vec![
        get(false),
        answers(&[RICH, RICH, RICH | 1 << 3]),
        get(false),
        get(true),
        get(false),
        ack(1, 1, false),
        method(1, basic::Nack { delivery_tag: 3, multiple: false, requeue: true }),
        get(false),
        close(1),
    ]
}

fn transaction() -> Vec<Timed> {
    let mut steps = vec![method(1, tx::Select {}), consume(1, "c"), event(DELIVER, 5)];
    steps.extend(publish(1, "q", Properties::default(), b"kept", 1));
    steps.extend([ack(1, 1, false), method(1, tx::Commit {}), ack(1, 3, true), method(1, tx::Rollback {})]);
    steps.extend([ack(1, 3, true), ack(1, 4, false), method(1, basic::Recover { requeue: true })]);
    steps.extend([method(1, tx::Commit {}), close(1)]);
    steps
}

fn shared_limit() -> Vec<Timed> {
    let share = |prefetch_count| method(1, basic::Qos { prefetch_count, global: true, ..basic::Qos::default() });
    vec![
        consume(1, "one"),
        share(3),
        consume(1, "two"),
        event(WANT, 4),
        event(WANT, 1 << 4 | 4),
        ack(1, 1, false),
        ack(1, 0, true),
        share(5),
        event(WANT, 3),
        method(1, basic::Cancel { consumer_tag: name("one"), nowait: false }),
        event(WANT, 3),
        share(0),
        method(1, basic::Recover { requeue: true }),
        close(1),
    ]
}

fn waiting_for_the_store() -> Vec<Timed> {
    let get = || method(1, basic::Get { queue: name("q"), ..basic::Get::default() });
    vec![
        consume(1, "c"),
        event(DELIVER, 5),
        answers(&[LATER]),
        get(),
        ack(1, 1, false),
        event(DELIVER, 2),
        method(1, tx::Select {}),
        ack(1, 2, false),
        answers(&[LATER, LATER]),
        method(1, tx::Commit {}),
        ack(1, 3, false),
        event(CANCEL, 0),
        get(),
        event(FORCE_CLOSE, 0),
    ]
}

fn confirms() -> Vec<Timed> {
    let mut steps = publish(1, "q", Properties::default(), b"before", 1);
    steps.push(method(1, confirm::Select { nowait: false }));
    for _ in 0..4 {
        steps.extend(publish(1, "q", Properties::default(), b"counted", 1));
    }
    steps.push(method(1, confirm::Select { nowait: true }));
    steps.extend(publish(1, "q", telling(), b"counted", 2));
    steps.push(close(1));
    steps
}

fn several_channels() -> Vec<Timed> {
    let mut steps = vec![joined(open(2)), open(3), method(2, confirm::Select { nowait: true })];
    for channel in [1, 2, 3, 2, 1] {
        steps.extend(publish(channel, "q", Properties::default(), b"mixed", 1));
    }
    steps.extend([consume(2, "c"), consume(3, "c"), event(DELIVER, 2), event(DELIVER, 1 << 4 | 2)]);
    steps.extend([joined(close(2)), joined(open(2)), consume(2, "c")]);
    steps.extend([event(DELIVER, 1), event(DELIVER, 1 << 4 | 1), ack(2, 1, false), ack(3, 1, false)]);
    steps
}

fn many_channels(count: u8) -> Vec<Timed> {
    let mut steps: Vec<_> = (2..count).map(|channel| joined(open(channel))).collect();
    for channel in 1..count {
        steps.push(consume(channel, "c"));
        steps.extend(publish(channel, "q", Properties::default(), b"", 1));
    }
    steps.push(event(DELIVER, 15));
    steps.push(step(Step::Repeat(20)));
    steps
}

fn direct_reply_to() -> Vec<Timed> {
    let replies = basic::Consume {
        queue: name("amq.rabbitmq.reply-to"),
        consumer_tag: name("replies"),
        no_ack: true,
        ..basic::Consume::default()
    };
    let mut steps = vec![method(1, replies.clone())];
    steps.extend(publish(1, "rpc", telling(), b"question", 1));
    steps.extend([event(DELIVER, 1), method(1, basic::Cancel { consumer_tag: name("replies"), nowait: false })]);
    steps.extend([method(1, replies.clone()), method(1, replies)]);
    steps
}

fn channel_error() -> Vec<Timed> {
    vec![
        consume(1, "c"),
        event(DELIVER, 3),
        joined(ack(1, 9, false)),
        joined(ack(1, 1, false)),
        close(1),
        method(1, queue::Declare::default()),
        method(1, channel::CloseOk {}),
        open(1),
        answers(&[REFUSED, REFUSED | 1 << 4]),
        method(1, queue::Declare { nowait: true, ..queue::Declare::default() }),
        method(1, channel::CloseOk {}),
        open(1),
        answers(&[CONNECTION_ERROR]),
        method(1, queue::Declare::default()),
        method(0, connection::CloseOk {}),
    ]
}

fn refused_publishes() -> Vec<Timed> {
    let mut steps = vec![open(2), method(1, confirm::Select { nowait: true }), answers(&[0, REFUSED, REFUSED])];
    for channel in [1, 1, 2, 1, 2] {
        steps.extend(publish(channel, "q", Properties::default(), b"", 1));
    }
    steps.extend([joined(close(1)), close(2), method(1, channel::CloseOk {}), open(1)]);
    steps
}

fn cancelled_consumers() -> Vec<Timed> {
    vec![
        consume(1, "one"),
        consume(1, "two"),
        event(DELIVER, 3),
        event(DELIVER, 1 << 4 | 3),
        event(CANCEL, 0),
        event(DELIVER_TO_THE_GONE, 0),
        consume(1, "one"),
        event(DELIVER, 1 << 4 | 1),
        ack(1, 0, true),
        event(CANCEL, 0),
        event(CANCEL, 0),
    ]
}

fn client_closes() -> Vec<Timed> {
    let mut steps = vec![consume(1, "c"), event(DELIVER, 3)];
    steps.extend(publish(1, "q", Properties::default(), b"last", 1));
    steps.push(method(0, connection::Close::default()));
    steps
}

fn broker_closes() -> Vec<Timed> {
    vec![
        consume(1, "c"),
        event(DELIVER, 3),
        event(FORCE_CLOSE, 0),
        ack(1, 1, false),
        method(0, connection::Close::default()),
        method(0, connection::CloseOk {}),
    ]
}
