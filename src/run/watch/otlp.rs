//! The run as a trace, and its numbers, for a collector of OpenTelemetry: OTLP over HTTP in its JSON encoding.
//!
//! The specification has this encoding beside that of Protocol Buffers, and every collector takes it. It needs nothing but
//! serde: the official crates come with an asynchronous runtime and a code generator for two requests a night.

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::call::CallUrl;
use super::numbers::{Metric, NumberUnit};
use crate::base::environment::Environment;
use crate::run::StageTime;
use crate::run::report::RunReport;
use crate::state::part::hex;

/// The variable of the specification for headers, such as a token: `name=value,name=value`.
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// The code of a span that failed; one that did not has none.
const STATUS_ERROR: u8 = 2;
/// The kind of a span that is neither a call nor an answer.
const KIND_INTERNAL: u8 = 1;

/// The addresses of the requests that [`bodies`] are for.
pub(super) fn addresses(endpoint: &str) -> Vec<CallUrl> {
    ["traces", "metrics"]
        .map(|signal| CallUrl::of_collector(&format!("{endpoint}/v1/{signal}")))
        .into()
}

/// The headers of the environment; the error says why they are not sent.
pub(super) fn headers(
    endpoint: &str,
    environment: &Environment,
) -> Result<Vec<(String, String)>, &'static str> {
    let Some(text) = environment.get(HEADERS) else {
        return Ok(Vec::new());
    };
    if endpoint.starts_with("http://") && !CallUrl::of_collector(endpoint).is_loopback() {
        return Err(
            "OTEL_EXPORTER_OTLP_HEADERS may hold a secret, and is not sent over http:// to another machine",
        );
    }
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            Some((name.trim().to_ascii_lowercase(), value.into_owned()))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or("OTEL_EXPORTER_OTLP_HEADERS must look like name=value,name=value")
}

/// The requests: the trace, then the numbers.
pub(super) fn bodies(
    report: &RunReport,
    numbers: &[Metric],
    shard: Option<&str>,
    stages: &[StageTime],
) -> Vec<Vec<u8>> {
    let resource = resource(report, shard);
    let scope = json!({"name": "klaviyo-export", "version": env!("CARGO_PKG_VERSION")});
    let traces = json!({"resourceSpans": [{
        "resource": resource,
        "scopeSpans": [{"scope": scope, "spans": spans(report, stages)}],
    }]});
    let at = nanoseconds(Timestamp::now());
    let metrics: Vec<Value> = numbers.iter().map(|number| metric(number, &at)).collect();
    let metrics = json!({"resourceMetrics": [{
        "resource": resource,
        "scopeMetrics": [{"scope": scope, "metrics": metrics}],
    }]});
    vec![
        traces.to_string().into_bytes(),
        metrics.to_string().into_bytes(),
    ]
}

/// The sender.
fn resource(report: &RunReport, shard: Option<&str>) -> Value {
    let mut attributes = vec![
        text("service.name", "klaviyo-export"),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("klaviyo_export.job", &report.job),
    ];
    attributes.extend(shard.map(|shard| text("klaviyo_export.shard", shard)));
    let machine = whoami::hostname();
    attributes.extend(machine.iter().map(|machine| text("host.name", machine)));
    json!({"attributes": attributes})
}

/// The run, and its stages below it.
fn spans(report: &RunReport, stages: &[StageTime]) -> Vec<Value> {
    let trace = random::<16>();
    let run = random::<8>();
    let mut attributes = vec![
        text("klaviyo_export.status", report.status.word()),
        whole("klaviyo_export.exit_code", u64::from(report.exit_code)),
    ];
    if !report.run_id.is_empty() {
        attributes.extend([
            text("klaviyo_export.run_id", &report.run_id),
            whole("klaviyo_export.rows_read", report.rows_read),
            whole("klaviyo_export.rows_written", report.rows_written),
            whole("klaviyo_export.rows_rejected", report.rows_rejected),
            whole("klaviyo_export.bytes", report.bytes),
            whole("klaviyo_export.parts", report.parts.len() as u64),
        ]);
    }
    let status = match &report.error {
        Some(error) => json!({"code": STATUS_ERROR, "message": error}),
        None => json!({}),
    };
    // The report has whole seconds: the stages may begin before and end after them.
    let begun = stages.iter().map(|stage| stage.started_at);
    let begun = begun.chain([report.started_at]).min();
    let ended = stages.iter().map(StageTime::ended_at);
    let ended = ended.chain([report.finished_at]).max();
    let mut spans = vec![json!({
        "traceId": trace,
        "spanId": run,
        "name": format!("run {}", report.job),
        "kind": KIND_INTERNAL,
        "startTimeUnixNano": nanoseconds(begun.unwrap_or(report.started_at)),
        "endTimeUnixNano": nanoseconds(ended.unwrap_or(report.finished_at)),
        "attributes": attributes,
        "status": status,
    })];
    spans.extend(stages.iter().map(|stage| {
        json!({
            "traceId": trace,
            "spanId": random::<8>(),
            "parentSpanId": run,
            "name": stage.name,
            "kind": KIND_INTERNAL,
            "startTimeUnixNano": nanoseconds(stage.started_at),
            "endTimeUnixNano": nanoseconds(stage.ended_at()),
            "attributes": [],
            "status": {},
        })
    }));
    spans
}

fn metric(number: &Metric, at: &str) -> Value {
    let unit = match number.unit {
        NumberUnit::None => "1",
        NumberUnit::Seconds => "s",
        NumberUnit::Bytes => "By",
    };
    let points: Vec<Value> = number
        .values
        .iter()
        .map(|(labels, value)| {
            let labels: Vec<Value> = labels.iter().map(|(key, value)| text(key, value)).collect();
            json!({"attributes": labels, "timeUnixNano": at, "asDouble": value})
        })
        .collect();
    json!({
        "name": format!("klaviyo_export.{}", number.name),
        "description": number.help,
        "unit": unit,
        "gauge": {"dataPoints": points},
    })
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// 64-bit integers are texts in this encoding.
fn whole(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

fn nanoseconds(at: Timestamp) -> String {
    at.as_nanosecond().to_string()
}

/// A new id, in hexadecimal digits.
fn random<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    // An id of zeros is refused by the collector, and that is told: a system without random numbers has other troubles.
    let _ = getrandom::fill(&mut bytes);
    hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_specification_has_them_and_not_sent_in_the_clear() {
        let with = |text| Environment::from_pairs([(HEADERS, text)]);
        let of = |endpoint, text| headers(endpoint, &with(text));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            of("https://o.example.com", "Api-Key=a%20b%3D, x = 1 ,"),
            Ok(vec![pair("api-key", "a b="), pair("x", "1")])
        );
        assert_eq!(of("http://127.0.0.1:4318", "a=b"), Ok(vec![pair("a", "b")]));
        assert!(of("http://o.example.com", "a=b").is_err());
        assert!(of("https://o.example.com", "hunter2").is_err());
        assert_eq!(
            headers("http://o.example.com", &Environment::default()),
            Ok(Vec::new())
        );
    }
}
