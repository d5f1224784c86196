//! Scripts of raw frames whose answers are compared with those that RabbitMQ gave: see README.md beside this file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a test client may stop the test at once, reads the clock for its timeouts"
)]

mod deviations;
mod recording;
mod scenario;
mod script;
#[expect(dead_code, reason = "other test targets use the rest")]
#[path = "../support/mod.rs"]
mod support;

mod arguments;
mod channel;
mod confirm;
mod conn;
mod consume;
mod dead_letters;
mod exchange;
mod frames;
mod handshake;
mod limits;
mod open;
mod opening;
mod precedence;
mod publish;
mod queue;
mod reply_to;
mod settle;
mod tx;

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;

use deviations::{DEVIATIONS, NO_ANONYMOUS};
use scenario::Scenario;
use support::server::Server;

/// `host:port` of a RabbitMQ to record from or to compare with the recordings.
const ORACLE: &str = "LEVERET_ORACLE";

/// Set to write the oracle's answers down instead of comparing them.
const RECORD: &str = "LEVERET_RECORD";

/// Runs only scenarios whose `area/name` contains this.
const ONLY: &str = "LEVERET_SCENARIO";

/// What each scenario was answered, or why its script stopped.
type Transcripts = BTreeMap<String, Result<String, String>>;

fn scenarios() -> Vec<Scenario> {
    let only = env::var(ONLY).unwrap_or_default();
    let areas = [
        arguments::SCENARIOS,
        channel::SCENARIOS,
        confirm::SCENARIOS,
        consume::SCENARIOS,
        dead_letters::SCENARIOS,
        exchange::SCENARIOS,
        frames::SCENARIOS,
        handshake::SCENARIOS,
        limits::SCENARIOS,
        opening::SCENARIOS,
        precedence::SCENARIOS,
        publish::SCENARIOS,
        queue::SCENARIOS,
        reply_to::SCENARIOS,
        settle::SCENARIOS,
        tx::SCENARIOS,
    ];
    areas.concat().into_iter().filter(|scenario| scenario.path().contains(&only)).collect()
}

#[test]
fn leveret_answers_every_script_as_recorded() {
    let scenarios = scenarios();
    let server = Server::start();
    let transcripts = scenario::run(&scenarios, server.address());
    let (open, required): (Transcripts, Transcripts) =
        transcripts.into_iter().partition(|(scenario, _)| open::OPEN.contains(&scenario.as_str()));
    let differences = differences(&required, recording::expected_of_leveret);
    assert!(differences.is_empty(), "{}\nlog of the server:\n{}", differences.join("\n"), server.log());
    let is_settled = |scenario: &&String| difference(&open, scenario, recording::expected_of_leveret).is_none();
    let settled: Vec<&String> = open.keys().filter(is_settled).collect();
    assert!(settled.is_empty(), "answered as expected, so strike them from open.rs: {settled:?}");
}

#[test]
fn leveret_logs_in_anonymously_as_recorded_where_that_is_allowed() {
    let is_about_it = |scenario: &Scenario| {
        let path = scenario.path();
        DEVIATIONS.iter().any(|deviation| deviation.scenario == path && deviation.reason == NO_ANONYMOUS)
    };
    let scenarios: Vec<Scenario> = scenarios().into_iter().filter(is_about_it).collect();
    let server = Server::start_with(&[
        ("auth_mechanisms.1", "PLAIN"),
        ("auth_mechanisms.2", "AMQPLAIN"),
        ("auth_mechanisms.3", "ANONYMOUS"),
    ]);
    let differences = differences(&scenario::run(&scenarios, server.address()), recording::recorded);
    assert!(differences.is_empty(), "{}\nlog of the server:\n{}", differences.join("\n"), server.log());
}

#[test]
fn rabbitmq_still_answers_every_script_as_recorded() {
    let Ok(oracle) = env::var(ORACLE) else { return };
    let address: SocketAddr = oracle.parse().expect("the oracle is an address and a port");
    let transcripts = scenario::run(&scenarios(), address);
    if env::var_os(RECORD).is_some() {
        record(&transcripts);
        return;
    }
    let differences = differences(&transcripts, recording::recorded);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_transcript_belongs_to_a_scenario() {
    if env::var_os(ONLY).is_none() {
        assert_eq!(recording::orphans(&scenarios()), Vec::<String>::new());
    }
}

#[test]
fn scenarios_have_different_names() {
    let scenarios = scenarios();
    let paths: BTreeMap<String, ()> = scenarios.iter().map(|scenario| (scenario.path(), ())).collect();
    assert_eq!(paths.len(), scenarios.len());
}

fn record(transcripts: &Transcripts) {
    for (scenario, transcript) in transcripts {
        match transcript {
            Ok(transcript) => recording::record(scenario, transcript),
            Err(panic) => panic!("{scenario}: {panic}"),
        }
    }
}

fn differences(
    transcripts: &Transcripts,
    expected: impl Fn(&str) -> Result<recording::Expected, String> + Copy,
) -> Vec<String> {
    let mut differences: Vec<String> =
        transcripts.keys().filter_map(|scenario| difference(transcripts, scenario, expected)).collect();
    if !differences.is_empty() {
        differences.push(format!("{} of {} scenarios differ", differences.len(), transcripts.len()));
    }
    differences
}

/// Where a scenario's transcript parts from the expected one.
fn difference(
    transcripts: &Transcripts,
    scenario: &str,
    expected: impl Fn(&str) -> Result<recording::Expected, String>,
) -> Option<String> {
    let difference = match (expected(scenario), &transcripts[scenario]) {
        (Ok(expected), Ok(actual)) => recording::difference(&expected, actual)?,
        (Err(error), _) => format!("    {error}\n"),
        (_, Err(panic)) => format!("    the script stopped: {panic}\n"),
    };
    Some(format!("{scenario}\n{difference}"))
}
