//! `leveret perf` against a running broker: what it writes, what it leaves, and its exit codes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};

use lapin::options::QueueDeclareOptions;
use serde_json::Value;

use crate::client::with_broker;
use crate::support::server::Server;

fn command(uri: &str, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.arg("perf").args(arguments.split_whitespace()).args(["--uri", uri]);
    command
}

fn perf(server: &Server, arguments: &str) -> Output {
    command(&server.uri(), arguments).output().expect("the program can be run")
}

/// The report of a run that succeeds.
fn report(server: &Server, arguments: &str) -> Value {
    let output = perf(server, &format!("{arguments} --format json --quiet"));
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("the report is JSON")
}

/// The exit code of a run that fails before there is anything to report, and its words.
fn failed(output: &Output) -> (i32, String) {
    assert!(output.stdout.is_empty(), "{output:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

fn total(report: &Value, counter: &str) -> u64 {
    report[counter]["total"].as_u64().unwrap_or_else(|| panic!("no {counter} in {report:#}"))
}

/// The sum of a counter over the seconds of the run.
fn sum(report: &Value, counter: &str) -> u64 {
    report["timeline"].as_array().unwrap().iter().map(|sample| sample[counter].as_u64().unwrap()).sum()
}

#[test]
fn a_run_with_a_count_ends_when_every_message_is_consumed_and_acknowledged() {
    with_broker(async |broker| {
        let client = broker.client().await;
        for arguments in ["", "--auto-ack", "--ack-every 64 --prefetch 100", "--size 0,12,200000 --publishers 2"] {
            client.queue("jobs").await;
            let report = report(&broker.server, &format!("--queue jobs --count 1003 {arguments}"));
            assert_eq!((total(&report, "published"), total(&report, "consumed")), (1003, 1003), "{arguments}");
            assert_eq!(report["ended_by"], "count", "{arguments}");
            // The queue was there before the run, so it is there still: nothing is left in it, ready or unacked.
            assert_eq!(client.counts("jobs").await, (0, 0), "{arguments}");
        }
    });
}

#[test]
fn the_report_adds_up() {
    let server = Server::start();
    let report = report(&server, "--count 2000 --rate 2000 --publishers 2 --confirm 10 --persistent --durable");
    for counter in ["published", "consumed", "confirmed"] {
        assert_eq!((total(&report, counter), sum(&report, counter)), (2000, 2000), "{counter} in {report:#}");
        let rate = report[counter]["per_second"].as_f64().unwrap();
        let expected = 2000.0 / report["seconds"].as_f64().unwrap();
        assert!((rate - expected).abs() < 1.0, "{counter}: {rate}, {expected}");
    }
    for latency in ["latency_us", "confirm_latency_us"] {
        let figures = &report[latency];
        assert_eq!(figures["samples"], 2000, "{latency}");
        let ascending: Vec<_> =
            ["min", "p50", "p95", "p99", "p999", "max"].iter().map(|name| figures[name].as_f64().unwrap()).collect();
        assert!(ascending.is_sorted(), "{latency}: {figures}");
    }
    // A thousand messages of each publisher at 2,000 a second: the last is due after 0.4995 s.
    assert!(report["seconds"].as_f64().unwrap() >= 0.499, "{report:#}");
    let brokers = report["brokers"].as_array().unwrap();
    assert!(brokers.len() == 1 && brokers[0].as_str().unwrap().starts_with("Leveret "), "{report:#}");
    assert!(!report.to_string().contains("guest:guest"), "the password is in {report:#}");
}

#[test]
fn a_confirm_window_of_one_has_every_message_confirmed_before_the_next() {
    with_broker(async |broker| {
        let report = report(&broker.server, "--count 200 --confirm 1 --consumers 0 --keep --queue kept");
        assert_eq!((total(&report, "published"), total(&report, "confirmed")), (200, 200));
        assert_eq!(report["confirm_latency_us"]["samples"], 200);
        // One after the other: together they took as long as each by itself.
        let mean = report["confirm_latency_us"]["mean"].as_f64().unwrap() / 1e6;
        assert!(200.0 * mean <= report["seconds"].as_f64().unwrap() + 0.001, "{report:#}");
        let client = broker.client().await;
        assert_eq!(client.counts("kept").await, (200, 0));
        // Consumed by another run, they are no messages of its own.
        let taken = self::report(&broker.server, "--publishers 0 --count 150 --consumers 2 --queue kept --predeclared");
        assert_eq!((total(&taken, "consumed"), total(&taken, "foreign")), (150, 150));
        assert_eq!((taken.get("latency_us"), client.counts("kept").await), (None, (50, 0)));
    });
}

#[test]
fn two_queues_get_the_messages_that_their_keys_lead_to() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let shared = "--queues 2 --queue half-{queue} --consumers 0 --keep --confirm 50";
        let direct = report(&broker.server, &format!("{shared} --count 100"));
        assert_eq!(total(&direct, "published"), 100);
        assert_eq!((client.counts("half-1").await.0, client.counts("half-2").await.0), (50, 50));
        // Keys in turn; a binding key for each queue, and what leads nowhere is given back.
        let topic = "--exchange perf --exchange-type topic --routing-key {queue}.{1..5} --mandatory";
        let routed = report(&broker.server, &format!("{shared} {topic} --count 100 --binding-key {{queue}}.3"));
        assert_eq!((total(&routed, "returned"), total(&routed, "confirmed")), (80, 100));
        assert_eq!((client.counts("half-1").await.0, client.counts("half-2").await.0), (60, 60));
        // Without confirms, too, no returned message is missed.
        let unconfirmed = "--queues 2 --queue half-{queue} --consumers 0 --predeclared --exchange perf --mandatory";
        let returned = report(&broker.server, &format!("{unconfirmed} --routing-key nowhere --count 5000"));
        assert_eq!((total(&returned, "published"), total(&returned, "returned")), (5000, 5000));
    });
}

#[test]
fn what_a_run_has_declared_is_removed_and_what_was_there_stays() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("mine-1").await;
        let arguments =
            "--queues 2 --queue mine-{queue} --exchange new --exchange-type fanout --count 10 --consumers 0";
        let report = report(&broker.server, arguments);
        assert_eq!(total(&report, "published"), 10);
        // One message in turn for each queue, and the exchange copies each to both.
        assert_eq!(client.counts("mine-1").await, (10, 0));
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let gone = client.declare("mine-2", passive).await.unwrap_err();
        assert_eq!(crate::client::reply(&gone).0, 404);
        // A queue that is there has to be as asked for.
        let (code, text) = failed(&perf(&broker.server, "--queue mine-1 --durable --count 1 --quiet"));
        assert_eq!(code, 65, "{text}");
        assert!(text.contains("406 PRECONDITION_FAILED") && text.contains("--predeclared"), "{text}");
    });
}

#[test]
fn churn_of_each_kind_counts_its_cycles_and_leaves_nothing() {
    with_broker(async |broker| {
        for (kind, steps) in [
            ("connections", ["opened", "closed"]),
            ("channels", ["opened", "closed"]),
            ("queues", ["declared", "deleted"]),
            ("bindings", ["bound", "unbound"]),
        ] {
            let report = report(&broker.server, &format!("churn {kind} --count 50 --workers 3"));
            for step in steps {
                assert_eq!((total(&report, step), sum(&report, step)), (50, 50), "{kind} {step}");
            }
            let latencies = report.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_latency_us"));
            let samples: Vec<_> = latencies.map(|(_, figures)| figures["samples"].clone()).collect();
            assert_eq!(samples, [50, 50], "{kind}: {report:#}");
            assert_eq!((&report["ended_by"], &report["settings"]["churn"]), (&"count".into(), &kind.into()));
        }
        let api = crate::api::Api::of(&broker.server);
        assert_eq!(api.get("/queues").body, serde_json::json!([]));
    });
}

#[test]
fn what_goes_wrong_has_its_exit_code_and_says_what_to_do() {
    let server = Server::start();
    let run = |uri: &str, arguments: &str| failed(&command(uri, arguments).output().unwrap());
    let address = server.address();
    let (code, text) = run(&format!("amqp://guest:wrong@{address}"), "");
    assert!(code == 69 && text.contains("refused the login of user 'guest': 403 ACCESS_REFUSED"), "{code} {text}");
    assert!(text.contains("--uri amqp://USER:PASSWORD@HOST:PORT/VHOST") && !text.contains("wrong"), "{text}");
    let (code, text) = run(&format!("amqp://{address}/nowhere"), "churn channels");
    assert!(code == 65 && text.contains("530 NOT_ALLOWED - vhost nowhere not found"), "{code} {text}");
    // Nobody listens on port 1.
    let (code, text) = run("amqp://127.0.0.1:1", "");
    assert!(code == 69 && text.contains("Is a broker running there?"), "{code} {text}");
    let (code, text) = run(&format!("amqp://{}", server.management()), "");
    assert!(code == 76 && text.contains("does not answer as an AMQP 0-9-1 broker"), "{code} {text}");
    let (code, text) = run(&server.uri(), "--exchange nothing --count 1");
    assert!(code == 65 && text.contains("404 NOT_FOUND") && text.contains("--exchange-type TYPE"), "{code} {text}");
    let (code, text) = run(&server.uri(), "--prefetch 1 --ack-every 2");
    assert!(code == 64 && text.contains("no more than --prefetch"), "{code} {text}");
    let (code, _) = run(&server.uri(), "--rate fast");
    assert_eq!(code, 64);
}

#[test]
fn a_run_that_the_broker_ends_reports_what_there_was_before() {
    let server = Server::start();
    let mut command = command(&server.uri(), "--rate 1000 --time 1h --format json");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    progress.read_line(&mut line).unwrap();
    assert!(line.contains("published") && line.contains("latency p50"), "{line}");
    drop(server);
    let output = child.wait_with_output().unwrap();
    let mut rest = String::new();
    progress.read_to_string(&mut rest).unwrap();
    assert_eq!(output.status.code(), Some(65), "{rest}");
    assert!(rest.contains("320 CONNECTION_FORCED"), "{rest}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(total(&report, "consumed") > 0 && report["error"].as_str().unwrap().contains("320"), "{report:#}");
}

#[test]
fn a_signal_ends_a_run_with_the_result_so_far() {
    with_broker(async |broker| {
        let arguments = "--rate 1000 --time 1h --format json --queue interrupted";
        let mut command = command(&broker.server.uri(), arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut progress = BufReader::new(child.stderr.take().unwrap());
        progress.read_line(&mut String::new()).unwrap();
        let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["ended_by"], "signal");
        assert!(total(&report, "consumed") > 0 && sum(&report, "consumed") == total(&report, "consumed"), "{report:#}");
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        assert!(broker.client().await.declare("interrupted", passive).await.is_err(), "the queue is removed");
    });
}

#[test]
fn progress_says_that_the_broker_blocks_publishers_and_why() {
    let server = Server::start_with(&[("disk_free_limit.absolute", "1000TB")]);
    let output = perf(&server, "--time 1500ms --consumers 0");
    assert!(output.status.success(), "{output:?}");
    let progress = String::from_utf8(output.stderr).unwrap();
    assert!(progress.contains("BLOCKED by the broker: low on disk (1 connections)"), "{progress}");
}

#[test]
fn a_chart_and_lines_for_a_spreadsheet_are_written() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let chart = directory.path().join("run.svg");
    let output = perf(&server, &format!("--count 300 --rate 1000 --format csv --quiet --chart {}", chart.display()));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("until,seconds,published,consumed,"), "{text}");
    let last: Vec<_> = text.lines().last().unwrap().split(',').collect();
    assert_eq!((last[0], last[2], last[3]), ("total", "300", "300"));
    let svg = std::fs::read_to_string(&chart).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains(">latency p99<"), "{svg}");
    let nowhere = directory.path().join("no/such.svg");
    let output = perf(&server, &format!("--count 1 --quiet --chart {}", nowhere.display()));
    assert_eq!(output.status.code(), Some(73));
    // The result is not lost with the picture.
    assert!(String::from_utf8(output.stdout).unwrap().contains("published"));
}
