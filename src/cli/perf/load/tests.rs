//! Options against each other, and what they come to.

use clap::Parser as _;

use super::*;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn parse(line: &str) -> Arguments {
    let words = line.split_whitespace();
    Line::try_parse_from(["perf"].into_iter().chain(words)).unwrap().arguments
}

/// What is wrong with options, said by the parser or by the check.
fn refusal(line: &str) -> String {
    let words = line.split_whitespace();
    match Line::try_parse_from(["perf"].into_iter().chain(words)) {
        Err(error) => error.to_string(),
        Ok(Line { arguments }) => arguments.check().unwrap_err().to_string(),
    }
}

fn texts(strings: &[ShortString]) -> Vec<String> {
    strings.iter().map(ToString::to_string).collect()
}

fn routing_keys(arguments: &Arguments, publisher: u16) -> Vec<String> {
    let publishers = arguments.publishing.publishers;
    texts(&arguments.objects.routing_keys(publisher, publishers).unwrap())
}

fn bindings(arguments: &Arguments) -> Vec<String> {
    let topology = arguments.objects.topology(arguments.publishing.publishers).unwrap();
    topology.bindings.iter().map(|(queue, binding_key)| format!("{queue} {binding_key}")).collect()
}

#[test]
fn options_that_do_not_go_together_are_refused_with_a_reason() {
    for (line, expected) in [
        ("-x 0 -y 0", "nothing to do"),
        ("--queues 2 --queue jobs", "jobs-{queue}"),
        ("--queue jobs-{1..3}", "--queues says how many"),
        ("--prefetch 10 --ack-every 11", "no more than --prefetch"),
        ("--auto-ack --ack-every 2", "cannot be used with"),
        ("--binding-key a", "--exchange"),
        ("--exchange-type topic", "--exchange"),
        ("--size 10x", "4KiB"),
        ("--rate fast", "1k..50k:30s"),
        ("--count 0", "1 at least"),
        ("--queue-arg x", "NAME=VALUE"),
        ("--uri amqps://h", "TLS"),
        ("--queues 0", "1..=100000"),
        ("--routing-key {nobody}", "{queue}, {publisher} and ranges"),
    ] {
        let text = refusal(line);
        assert!(text.contains(expected), "{line}: {text}");
    }
}

#[test]
fn without_a_limit_a_run_takes_ten_seconds_and_with_a_count_as_long_as_it_takes() {
    let limit = |line: &str| {
        let arguments = parse(line);
        arguments.options.limit(arguments.count.is_some()).map(|limit| limit.as_secs())
    };
    assert_eq!([limit(""), limit("-z 3s"), limit("-C 5"), limit("-C 5 -z 1m")], [Some(10), Some(3), None, Some(60)]);
}

#[test]
fn publishers_share_a_count() {
    let arguments = parse("-x 3 -C 11");
    let shares: Vec<_> = (0..3).map(|publisher| arguments.share(publisher)).collect();
    assert_eq!(shares, [Some(4), Some(4), Some(3)]);
    assert_eq!(parse("-x 3").share(0), None);
}

#[test]
fn every_queue_has_a_publisher_and_a_consumer() {
    let few = parse("--queues 5 -x 2 -y 2 --queue q{queue}");
    assert_eq!(routing_keys(&few, 0), ["q1", "q3", "q5"]);
    assert_eq!(routing_keys(&few, 1), ["q2", "q4"]);
    let many = parse("--queues 2 -x 3 --queue q{queue}");
    let keys: Vec<_> = (0..3).map(|publisher| routing_keys(&many, publisher)).collect();
    assert_eq!(keys, [["q1"], ["q2"], ["q1"]]);
    let queues = few.objects.topology(2).unwrap().queues;
    assert_eq!(texts(&queues_of(1, 2, &queues)), ["q2", "q4"]);
    assert_eq!(texts(&queues_of(6, 7, &queues)), ["q2"]);
}

#[test]
fn queues_are_bound_with_the_keys_that_are_published() {
    let named = parse("--queues 2 --queue q{queue} -e x");
    assert_eq!(bindings(&named), ["q1 q1", "q2 q2"]);
    let ranged = parse("--queues 2 --queue q{queue} -e x -x 2 -k {publisher}.{1..2}");
    assert_eq!(routing_keys(&ranged, 1), ["2.1", "2.2"]);
    let expected = ["1.1", "1.2", "2.1", "2.2"].map(|key| format!("q1 {key}"));
    assert_eq!(bindings(&ranged)[..4], expected);
    assert_eq!(bindings(&parse("--queue q -e x -k a.{1..50} --binding-key a.#")), ["q a.#"]);
    assert!(bindings(&parse("-k a")).is_empty());
}

#[test]
fn patterns_for_too_many_keys_are_refused() {
    let arguments = parse("--queues 11 -k {queue}.{1..10000}");
    let error = arguments.objects.routing_keys(0, 1).unwrap_err().to_string();
    assert!(error.contains("more than 100000 routing keys"), "{error}");
}

#[test]
fn queue_arguments_are_declared() {
    let topology = parse("-d --queue-arg x-queue-type=quorum --queue-arg x-max-length=5").objects.topology(1).unwrap();
    assert!(topology.durable);
    let names: Vec<_> = topology.arguments.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["x-queue-type", "x-max-length"]);
}

#[test]
fn how_a_run_with_a_count_ends_depends_on_who_takes_part() {
    let ends = |line: &str| ending(&parse(line));
    assert!(ends("").is_none());
    assert!(matches!(ends("-C 9 -y 0"), Some(Ending::Published)));
    assert!(matches!(ends("-C 9 -x 0"), Some(Ending::Consumed(9))));
    assert!(matches!(ends("-C 9"), Some(Ending::Delivered)));
    assert!(matches!(ends("-C 9 -e amq.fanout"), Some(Ending::Quiet)));
}
