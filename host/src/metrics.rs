//! What the server counts, for Prometheus.

mod listener;

use std::time::Duration;

use http::{Method, StatusCode};
use latchkey_component::audit;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use listener::serve;

/// The upper bounds of durations, in seconds: from a list of one token to a request that is given up.
const DURATIONS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0, 30.0,
];

/// Counts everything, and writes it down when asked. No label holds what a client can choose.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_duration: Family<RouteLabel, Histogram>,
    in_flight: Gauge,
    instances: Gauge,
    store_operations: Family<StoreLabels, Counter>,
    store_duration: Family<OperationLabel, Histogram>,
    swap_retries: Counter,
    events: Family<EventLabel, Counter>,
    audit_lines_lost: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    /// 0 where the client did not wait for the answer.
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StoreLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabel {
    event: &'static str,
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

fn durations() -> Histogram {
    Histogram::new(DURATIONS)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("latchkey"),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(durations),
            in_flight: Gauge::default(),
            instances: Gauge::default(),
            store_operations: Family::default(),
            store_duration: Family::new_with_constructor(durations),
            swap_retries: Counter::default(),
            events: Family::default(),
            audit_lines_lost: Counter::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "requests",
            "Requests by method, route and status; status 0: the client did not wait for the answer",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from the end of a request's header to its answer, by route",
            Unit::Seconds,
            metrics.request_duration.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests that are not yet answered",
            metrics.in_flight.clone(),
        );
        registry.register(
            "instances",
            "Instances of the component",
            metrics.instances.clone(),
        );
        registry.register(
            "store_operations",
            "Operations of the key-value store, by outcome: done, lost (a compare-and-swap that found another value) or failed",
            metrics.store_operations.clone(),
        );
        registry.register_with_unit(
            "store_operation_duration",
            "Time that operations of the key-value store took",
            Unit::Seconds,
            metrics.store_duration.clone(),
        );
        registry.register(
            "compare_and_swap_retries",
            "Changes that were tried again because another was faster",
            metrics.swap_retries.clone(),
        );
        registry.register(
            "events",
            "Lines for the auditor: tokens issued, rotated and revoked, sign-ins that failed or were throttled",
            metrics.events.clone(),
        );
        registry.register(
            "audit_lines_lost",
            "Audit lines that were not written, since nobody read them",
            metrics.audit_lines_lost.clone(),
        );
        // From the start, so that a rate has a beginning.
        for event in audit::NAMES {
            let _ = metrics.events.get_or_create(&EventLabel { event });
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
            .get_or_create(&RouteLabel { route })
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
        let labels = StoreLabels {
            operation,
            outcome: match outcome {
                Outcome::Done => "done",
                Outcome::Lost => "lost",
                Outcome::Failed => "failed",
            },
        };
        self.store_operations.get_or_create(&labels).inc();
        self.store_duration
            .get_or_create(&OperationLabel { operation })
            .observe(duration.as_secs_f64());
        if outcome == Outcome::Lost {
            self.swap_retries.inc();
        }
    }

    /// The component has told the auditor of an event of this name.
    pub fn event(&self, name: &str) {
        if let Some(event) = audit::NAMES.iter().find(|known| **known == name) {
            self.events.get_or_create(&EventLabel { event }).inc();
        }
    }

    /// So many audit lines could not be written.
    pub fn audit_lines_lost(&self, lines: usize) {
        self.audit_lines_lost.inc_by(lines as u64);
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
