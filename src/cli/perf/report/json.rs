//! The report as one JSON object: the run as a whole, and every second of it.

use serde_json::{Map, Value, json};

use super::{Report, seconds};
use crate::cli::perf::measure::{Sample, Schema, Summary};

pub(super) fn value(report: &Report) -> Value {
    let outcome = &report.outcome;
    let settings: Map<_, _> = report.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    put("tool", json!(concat!("leveret perf ", env!("CARGO_PKG_VERSION"))));
    put("brokers", json!(report.brokers));
    put("settings", Value::Object(settings));
    put("seconds", json!(seconds(outcome.elapsed)));
    put("ended_by", json!(outcome.ended_by.name()));
    put("error", json!(outcome.error.as_ref().map(ToString::to_string)));
    put("notes", json!(report.notes));
    for total in report.totals() {
        put(total.name, json!({ "total": total.count, "per_second": total.rate }));
    }
    for (name, summary) in report.latencies() {
        put(&format!("{name}_us"), latency(&summary));
    }
    for (who, seconds, each) in report.processor() {
        put(&format!("{who}_processor"), json!({ "seconds": seconds, "us_each": each }));
    }
    let timeline = outcome.timeline.samples.iter().map(|one| sample(report.schema, one));
    put("timeline", timeline.collect());
    Value::Object(object)
}

fn sample(schema: &Schema, sample: &Sample) -> Value {
    let mut object = Map::new();
    object.insert("from".to_owned(), json!(seconds(sample.from)));
    object.insert("to".to_owned(), json!(seconds(sample.to)));
    for (name, count) in schema.counters.iter().zip(&sample.counts) {
        object.insert((*name).to_owned(), json!(count));
    }
    for (name, summary) in schema.latencies.iter().zip(&sample.latencies) {
        let value = if summary.samples > 0 { latency(summary) } else { Value::Null };
        object.insert(format!("{name}_us"), value);
    }
    let blocked = sample.blocked.as_ref();
    object.insert("blocked".to_owned(), json!(blocked.map(|(connections, reason)| json!([connections, reason]))));
    Value::Object(object)
}

fn latency(summary: &Summary) -> Value {
    let mut object: Map<_, _> =
        summary.figures().iter().map(|(name, figure)| ((*name).to_owned(), json!(figure))).collect();
    object.insert("samples".to_owned(), json!(summary.samples));
    Value::Object(object)
}
