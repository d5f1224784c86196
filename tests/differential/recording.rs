//! The transcripts that were recorded from RabbitMQ, and those written by hand where Leveret means to differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::deviations::DEVIATIONS;
use crate::scenario::Scenario;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/differential")
}

fn recorded_path(scenario: &str) -> PathBuf {
    directory().join("expected").join(format!("{scenario}.txt"))
}

fn own_path(scenario: &str) -> PathBuf {
    directory().join("expected_leveret").join(format!("{scenario}.txt"))
}

/// Replaces what RabbitMQ is expected to answer.
pub(crate) fn record(scenario: &str, transcript: &str) {
    let path = recorded_path(scenario);
    fs::create_dir_all(path.parent().expect("a transcript is in a folder")).expect("the folder can be made");
    fs::write(path, transcript).expect("the transcript can be written");
}

/// What RabbitMQ answered when it was recorded.
pub(crate) fn recorded(scenario: &str) -> Result<String, String> {
    let path = recorded_path(scenario);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// What Leveret must answer: the same as RabbitMQ, but for the deviations.
pub(crate) fn expected_of_leveret(scenario: &str) -> Result<String, String> {
    if !DEVIATIONS.iter().any(|deviation| deviation.scenario == scenario) {
        return recorded(scenario);
    }
    let path = own_path(scenario);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Transcript files that no scenario reads, and deviations of no scenario.
pub(crate) fn orphans(scenarios: &[Scenario]) -> Vec<String> {
    let known: BTreeMap<String, ()> = scenarios.iter().map(|scenario| (scenario.path(), ())).collect();
    let mut orphans = Vec::new();
    for deviation in DEVIATIONS {
        if !known.contains_key(deviation.scenario) {
            orphans.push(format!("a deviation of {}, which is no scenario", deviation.scenario));
        }
        if deviation.reason.is_empty() {
            orphans.push(format!("the deviation {} has no reason", deviation.scenario));
        }
    }
    for (kind, scenario) in files() {
        let is_deviation = DEVIATIONS.iter().any(|deviation| deviation.scenario == scenario);
        if !known.contains_key(&scenario) || (kind == "expected_leveret" && !is_deviation) {
            orphans.push(format!("{kind}/{scenario}.txt, which nothing reads"));
        }
    }
    orphans
}

fn files() -> Vec<(&'static str, String)> {
    let mut files = Vec::new();
    for kind in ["expected", "expected_leveret"] {
        let Ok(areas) = fs::read_dir(directory().join(kind)) else { continue };
        for area in areas.flatten() {
            let Ok(transcripts) = fs::read_dir(area.path()) else { continue };
            for transcript in transcripts.flatten() {
                let (area, name) = (area.file_name(), transcript.file_name());
                let name = name.to_string_lossy();
                files.push((kind, format!("{}/{}", area.to_string_lossy(), name.trim_end_matches(".txt"))));
            }
        }
    }
    files
}

/// The lines where the transcripts part, or nothing when they agree. A star in an expected line stands for anything.
pub(crate) fn difference(expected: &str, actual: &str) -> Option<String> {
    let (expected, actual): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let length = expected.len().max(actual.len());
    let first = (0..length).find(|index| !agree(expected.get(*index), actual.get(*index)))?;
    let mut report = String::new();
    for line in expected.iter().take(first).rev().take(3).rev() {
        report.push_str(&format!("      {line}\n"));
    }
    for line in expected.iter().skip(first).take(4) {
        report.push_str(&format!("    - {line}\n"));
    }
    for line in actual.iter().skip(first).take(4) {
        report.push_str(&format!("    + {line}\n"));
    }
    Some(report)
}

fn agree(expected: Option<&&str>, actual: Option<&&str>) -> bool {
    match (expected, actual) {
        (Some(expected), Some(actual)) => matches(expected, actual),
        _ => false,
    }
}

fn matches(expected: &str, actual: &str) -> bool {
    if expected == actual {
        return true;
    }
    let Some((head, tail)) = expected.split_once('*') else { return false };
    let Some(rest) = actual.strip_prefix(head) else { return false };
    let ends = rest.char_indices().map(|(index, _)| index).chain([rest.len()]);
    ends.into_iter().any(|end| matches(tail, rest.split_at(end).1))
}
