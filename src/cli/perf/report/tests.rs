//! The forms of a report, of one and the same run.

use serde_json::json;

use super::super::conductor::{EndedBy, Outcome};
use super::super::measure::{Meters, Schema, Timeline};
use super::*;

static SCHEMA: Schema =
    Schema { counters: &["published", "consumed", "nacked"], always: 2, latencies: &["latency", "confirm_latency"] };

const SECOND: u64 = 1_000_000_000;

const USED: Used = Used { generator: Some(0.5), broker: Some(1.0) };

/// Two seconds: 3,000 and 1,000 messages published, 2,500 and 1,500 of them consumed.
fn report() -> Report {
    let meters = Meters::new(&SCHEMA, 1).unwrap();
    let mut timeline = Timeline::new(&meters).unwrap();
    for (second, published, consumed, micros) in [(1, 3000, 2500, 120), (2, 1000, 1500, 4500)] {
        meters.of(0).count(0, published, second * SECOND);
        meters.of(0).count(1, consumed, second * SECOND);
        let meter = meters.of(0);
        let mut latencies = meter.record(0).unwrap();
        (0..consumed).for_each(|_| latencies.record(micros * 1000));
        drop(latencies);
        timeline.sample(&meters, second * SECOND);
    }
    Report {
        schema: &SCHEMA,
        brokers: vec!["Broker <1.0>".to_owned()],
        settings: vec![("uri", json!("amqp://guest@h:1/%2f")), ("size", json!(16))],
        notes: vec!["something to know".to_owned()],
        outcome: Outcome { timeline, elapsed: 2 * SECOND, ended_by: EndedBy::Count, processor: USED, error: None },
    }
}

#[test]
fn the_table_has_totals_rates_latencies_and_notes() {
    let text = table::text(&report());
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(text.lines().next(), Some("Broker <1.0>: 2.00 s, all done"));
    assert!(lines.contains(&vec!["published", "4,000", "2,000"]), "{text}");
    assert!(lines.contains(&vec!["consumed", "4,000", "2,000"]), "{text}");
    assert!(!text.contains("nacked") && !text.contains("confirm_latency"), "{text}");
    let latency = lines.iter().find(|line| line.first() == Some(&"latency")).unwrap();
    assert_eq!(latency[1..3], ["120", "µs"]);
    assert_eq!(latency[latency.len() - 2..], ["4.5", "ms"]);
    assert!(text.contains("generator 0.50 s (125.000 µs each), broker 1.00 s (250.000 µs each)"), "{text}");
    assert!(text.ends_with("Note: something to know.\n"), "{text}");
}

#[test]
fn json_has_the_whole_run_and_its_seconds() {
    let value = json::value(&report());
    assert_eq!(value["published"], json!({ "total": 4000, "per_second": 2000.0 }));
    assert_eq!((&value["ended_by"], &value["error"], &value["seconds"]), (&json!("count"), &Value::Null, &json!(2.0)));
    assert_eq!(value["settings"], json!({ "uri": "amqp://guest@h:1/%2f", "size": 16 }));
    assert_eq!((&value["latency_us"]["samples"], &value["latency_us"]["p50"]), (&json!(4000), &json!(120.0)));
    assert_eq!((value.get("nacked"), value.get("confirm_latency_us")), (None, None));
    assert_eq!(value["broker_processor"], json!({ "seconds": 1.0, "us_each": 250.0 }));
    let timeline = value["timeline"].as_array().unwrap();
    let published: Vec<_> = timeline.iter().map(|sample| &sample["published"]).collect();
    assert_eq!(published, [&json!(3000), &json!(1000)]);
    assert_eq!(timeline[1]["from"], json!(1.0));
    assert_eq!((&timeline[0]["confirm_latency_us"], &timeline[0]["nacked"]), (&Value::Null, &json!(0)));
}

#[test]
fn csv_has_a_line_for_each_second_and_one_for_all() {
    let text = csv::text(&report());
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..6], ["until", "seconds", "published", "consumed", "nacked", "latency_min_us"]);
    assert!(rows.iter().all(|row| row.len() == 5 + 14), "{text}");
    let begin: Vec<_> = rows[1..].iter().map(|row| row[..6].join(" ")).collect();
    assert_eq!(begin, ["1.000 1.000 3000 2500 0 120", "2.000 1.000 1000 1500 0 4500", "total 2.000 4000 4000 0 120"]);
    // No confirms, no figures.
    assert!(rows[1..].iter().all(|row| row[12..].iter().all(|cell| cell.is_empty())), "{text}");
    assert!(text.ends_with('\n'));
}

#[test]
fn the_chart_draws_every_series_that_there_is() {
    let svg = chart::svg(&report());
    // Published, consumed; p50, p99 and max of the one latency.
    assert_eq!(svg.matches("<polyline").count(), 5, "{svg}");
    for name in [">published<", ">consumed<", ">latency p50<", ">latency p99<", ">latency max<", "Broker &lt;1.0&gt;"] {
        assert!(svg.contains(name), "{name} is missing in\n{svg}");
    }
    assert!(!svg.contains("nacked") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}

#[test]
fn a_run_without_any_event_has_a_report_too() {
    let meters = Meters::new(&SCHEMA, 1).unwrap();
    let mut timeline = Timeline::new(&meters).unwrap();
    timeline.sample(&meters, 0);
    let outcome =
        Outcome { timeline, elapsed: 0, ended_by: EndedBy::Signal(2), processor: Used::default(), error: None };
    let empty = Report { outcome, ..report() };
    assert!(table::text(&empty).contains("ended by a signal"));
    assert_eq!(json::value(&empty)["published"]["per_second"], json!(0.0));
    assert_eq!(csv::text(&empty).lines().count(), 3);
    let svg = chart::svg(&empty);
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}
