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
mod exchange;
mod frames;
mod handshake;
mod open;
mod publish;
mod queue;
mod reply_to;
mod settle;
mod tx;

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;

use scenario::Scenario;
use support::server::Server;

/// `host:port` of a RabbitMQ to record from or to compare with the recordings.
const ORACLE: &str = "LEVERET_ORACLE";

/// Set to write the oracle's answers down instead of comparing them.
const RECORD: &str = "LEVERET_RECORD";

/// Runs only scenarios whose `area/name` contains this.
const ONLY: &str = "LEVERET_SCENARIO";

fn scenarios() -> Vec<Scenario> {
    let only = env::var(ONLY).unwrap_or_default();
    let areas = [
        arguments::SCENARIOS,
        channel::SCENARIOS,
        confirm::SCENARIOS,
        consume::SCENARIOS,
        exchange::SCENARIOS,
        frames::SCENARIOS,
        handshake::SCENARIOS,
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
    let required = transcripts.into_iter().filter(|(scenario, _)| !open::OPEN.contains(&scenario.as_str())).collect();
    let differences = differences(&required, recording::expected_of_leveret);
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

fn record(transcripts: &BTreeMap<String, Result<String, String>>) {
    for (scenario, transcript) in transcripts {
        match transcript {
            Ok(transcript) => recording::record(scenario, transcript),
            Err(panic) => panic!("{scenario}: {panic}"),
        }
    }
}

fn differences(
    transcripts: &BTreeMap<String, Result<String, String>>,
    expected: impl Fn(&str) -> Result<recording::Expected, String>,
) -> Vec<String> {
    let mut differences = Vec::new();
    for (scenario, transcript) in transcripts {
        let difference = match (expected(scenario), transcript) {
            (Ok(expected), Ok(actual)) => recording::difference(&expected, actual),
            (Err(error), _) => Some(format!("    {error}\n")),
            (_, Err(panic)) => Some(format!("    the script stopped: {panic}\n")),
        };
        differences.extend(difference.map(|difference| format!("{scenario}\n{difference}")));
    }
    if !differences.is_empty() {
        differences.push(format!("{} of {} scenarios differ", differences.len(), transcripts.len()));
    }
    differences
}
