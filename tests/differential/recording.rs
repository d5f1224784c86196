//! The transcripts that were recorded from RabbitMQ, and those written by hand where Leveret means to differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

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

/// A transcript to compare with.
#[derive(Debug)]
pub(crate) struct Expected {
    transcript: String,
    /// A star stands for anything; only where the transcript was written by hand.
    has_wildcards: bool,
}

fn read(path: &Path, has_wildcards: bool) -> Result<Expected, String> {
    let transcript = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Expected { transcript, has_wildcards })
}

/// What RabbitMQ answered when it was recorded.
pub(crate) fn recorded(scenario: &str) -> Result<Expected, String> {
    read(&recorded_path(scenario), false)
}

/// What Leveret must answer: the same as RabbitMQ, but for the deviations.
pub(crate) fn expected_of_leveret(scenario: &str) -> Result<Expected, String> {
    if !DEVIATIONS.iter().any(|deviation| deviation.scenario == scenario) {
        return recorded(scenario);
    }
    read(&own_path(scenario), true)
}

/// Transcript files that no scenario reads, and deviations of no scenario.
pub(crate) fn orphans(scenarios: &[Scenario]) -> Vec<String> {
    let known: BTreeMap<String, ()> = scenarios.iter().map(|scenario| (scenario.path(), ())).collect();
    let mut orphans = Vec::new();
    for deviation in DEVIATIONS {
        if !known.contains_key(deviation.scenario) {
            orphans.push(format!("a deviation of {}, which is no scenario", deviation.scenario));
        }
        let (theirs, ours) = (recorded(deviation.scenario), expected_of_leveret(deviation.scenario));
        if theirs.is_ok_and(|theirs| ours.is_ok_and(|ours| difference(&ours, &theirs.transcript).is_none())) {
            orphans.push(format!("the deviation {}, which is none: {}", deviation.scenario, deviation.reason));
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

/// The lines where the transcripts part, or nothing when they agree.
pub(crate) fn difference(expected: &Expected, actual: &str) -> Option<String> {
    let has_wildcards = expected.has_wildcards;
    let (expected, actual): (Vec<&str>, Vec<&str>) = (expected.transcript.lines().collect(), actual.lines().collect());
    let agree = |index: usize| match (expected.get(index), actual.get(index)) {
        (Some(expected), Some(actual)) => expected == actual || (has_wildcards && matches(expected, actual)),
        _ => false,
    };
    let first = (0..expected.len().max(actual.len())).find(|index| !agree(*index))?;
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

fn matches(expected: &str, actual: &str) -> bool {
    if expected == actual {
        return true;
    }
    let Some((head, tail)) = expected.split_once('*') else { return false };
    let Some(rest) = actual.strip_prefix(head) else { return false };
    let ends = rest.char_indices().map(|(index, _)| index).chain([rest.len()]);
    ends.into_iter().any(|end| matches(tail, rest.split_at(end).1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(transcript: &str, has_wildcards: bool) -> Expected {
        Expected { transcript: transcript.to_owned(), has_wildcards }
    }

    #[test]
    fn a_missing_or_additional_line_is_a_difference() {
        assert!(difference(&expected("a\nb\n", false), "a\n").is_some());
        assert!(difference(&expected("a\n", false), "a\nb\n").is_some());
        assert!(difference(&expected("a\nb\n", false), "a\nb\n").is_none());
    }

    #[test]
    fn a_star_stands_for_anything_only_where_it_was_written_by_hand() {
        assert!(difference(&expected("close \"*\" class=*\n", true), "close \"text\" class=10\n").is_none());
        assert!(difference(&expected("close \"*\" class=*\n", false), "close \"text\" class=10\n").is_some());
        assert!(difference(&expected("close 503 *\n", true), "close 502 text\n").is_some());
    }
}
