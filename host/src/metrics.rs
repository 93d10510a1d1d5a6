//! What the server counts, for Prometheus.

pub mod listener;

use std::time::Duration;

use http::{Method, StatusCode};
use latchkey_component::audit;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

/// The upper bounds of durations, in seconds: from a list of one token to a request that is given up.
const DURATIONS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0, 30.0,
];

/// Counts everything, and writes it down when asked. No label holds what a client can choose.
pub struct Metrics {
    /// By method, route and status.
    requests: Family<RequestLabels, Counter>,
    request_duration: Family<Labels<1>, Histogram>,
    in_flight: Gauge,
    instances: Gauge,
    store_operations: Family<Labels<2>, Counter>,
    store_duration: Family<Labels<1>, Histogram>,
    swap_retries: Counter,
    events: Family<Labels<1>, Counter>,
    audit_lines_lost: Counter,
    configuration_refused: Gauge,
    registry: Registry,
}

type Labels<const N: usize> = [(&'static str, &'static str); N];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    /// 0 where the client did not wait for the answer.
    status: u16,
}

/// How an operation of the store ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// A compare-and-swap found another value: it is tried again.
    Lost,
    /// It failed.
    Failed,
}

fn register<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn register_durations(
    registry: &mut Registry,
    name: &str,
    help: &str,
) -> Family<Labels<1>, Histogram> {
    let metric = Family::new_with_constructor((|| Histogram::new(DURATIONS)) as fn() -> _);
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("latchkey");
        let r = &mut registry;
        let metrics = Self {
            requests: register(
                r,
                "requests",
                "Requests by method, route and status; status 0: the client did not wait for the answer",
            ),
            request_duration: register_durations(
                r,
                "request_duration",
                "Time from the end of a request's header to its answer, by route",
            ),
            in_flight: register(
                r,
                "requests_in_flight",
                "Requests that are not yet answered",
            ),
            instances: register(r, "instances", "Instances of the component"),
            store_operations: register(
                r,
                "store_operations",
                "Operations of the key-value store, by outcome: done, lost (a compare-and-swap that found another value) or failed",
            ),
            store_duration: register_durations(
                r,
                "store_operation_duration",
                "Time that operations of the key-value store took",
            ),
            swap_retries: register(
                r,
                "compare_and_swap_retries",
                "Changes that were tried again because another was faster",
            ),
            events: register(
                r,
                "events",
                "Lines for the auditor: tokens issued, rotated and revoked, sign-ins that failed or were throttled",
            ),
            audit_lines_lost: register(
                r,
                "audit_lines_lost",
                "Audit lines that were not written, since nobody read them",
            ),
            configuration_refused: register(
                r,
                "configuration_refused",
                "1 while the newest configuration cannot be used, and the one before it is",
            ),
            registry,
        };
        // From the start, so that a rate has a beginning.
        for event in audit::NAMES {
            let _ = metrics.events.get_or_create(&[("event", event)]);
        }
        metrics
    }
}

impl Metrics {
    /// A request has come.
    pub fn request_began(&self) {
        self.in_flight.inc();
    }

    /// It has been answered, or its client has gone.
    pub fn request_ended(
        &self,
        method: &Method,
        route: &'static str,
        status: Option<StatusCode>,
        duration: Duration,
    ) {
        self.in_flight.dec();
        let labels = RequestLabels {
            method: known(method),
            route,
            status: status.map_or(0, |status| status.as_u16()),
        };
        self.requests.get_or_create(&labels).inc();
        self.request_duration
            .get_or_create(&[("route", route)])
            .observe(duration.as_secs_f64());
    }

    /// Counts an instance until the guard is dropped.
    pub fn instance(&self) -> impl Drop + Send + use<> {
        struct Counted(Gauge);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.0.dec();
            }
        }
        self.instances.inc();
        Counted(self.instances.clone())
    }

    /// An operation of the store is over.
    pub fn store_operation(&self, operation: &'static str, outcome: Outcome, duration: Duration) {
        let told = match outcome {
            Outcome::Done => "done",
            Outcome::Lost => "lost",
            Outcome::Failed => "failed",
        };
        let labels = [("operation", operation), ("outcome", told)];
        self.store_operations.get_or_create(&labels).inc();
        self.store_duration
            .get_or_create(&[("operation", operation)])
            .observe(duration.as_secs_f64());
        if outcome == Outcome::Lost {
            self.swap_retries.inc();
        }
    }

    /// The component has told the auditor of an event of this name.
    pub fn event(&self, name: &str) {
        if let Some(event) = audit::NAMES.iter().find(|known| **known == name) {
            self.events.get_or_create(&[("event", event)]).inc();
        }
    }

    /// So many audit lines could not be written.
    pub fn audit_lines_lost(&self, lines: usize) {
        self.audit_lines_lost.inc_by(lines as u64);
    }

    /// Whether the newest configuration is refused.
    pub fn configuration_refused(&self, refused: bool) {
        self.configuration_refused.set(refused.into());
    }

    /// All of it, in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// The name of a method, or `other`: a client may make up any.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_what_was_counted() {
        let metrics = Metrics::default();
        metrics.request_began();
        let brew = Method::from_bytes(b"BREW").expect("a method");
        metrics.request_ended(&brew, "unmatched", None, Duration::from_millis(2));
        metrics.store_operation("compare_and_swap", Outcome::Lost, Duration::ZERO);
        metrics.event("sign_in_throttled");
        metrics.event("made up");
        let _instance = metrics.instance();
        let text = metrics.text();
        for line in [
            r#"latchkey_requests_total{method="other",route="unmatched",status="0"} 1"#,
            r#"latchkey_request_duration_seconds_bucket{le="0.0025",route="unmatched"} 1"#,
            "latchkey_requests_in_flight 0",
            "latchkey_instances 1",
            "latchkey_configuration_refused 0",
            r#"latchkey_store_operations_total{operation="compare_and_swap",outcome="lost"} 1"#,
            "latchkey_compare_and_swap_retries_total 1",
            r#"latchkey_events_total{event="sign_in_throttled"} 1"#,
            r#"latchkey_events_total{event="token_issued"} 0"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("made up"));
    }
}
