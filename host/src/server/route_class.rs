//! What the host has to know of a request's route, and of the status of its answer.

use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, StatusCode, Uri};
use latchkey_component::api::headers::IDEMPOTENCY_RETRY_AFTER;
use latchkey_component::api::route::{Action, Route};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RouteClass {
    /// The path as a template, for the log and as a label of the metrics.
    pub(super) template: &'static str,
    /// Whether the request is answered only to users who sign in.
    pub(super) signs_in: bool,
    /// Whether the body of the request counts.
    pub(super) reads_body: bool,
}

impl RouteClass {
    /// That of a request to another component than Latchkey, by the route of its trigger; or to none.
    pub(super) fn other(template: &'static str) -> Self {
        Self {
            template,
            signs_in: false,
            reads_body: false,
        }
    }

    /// That of a request to Latchkey.
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        let route = Route::parse(uri.path(), uri.query());
        let action = route.and_then(|route| route.action(method));
        Self {
            template: route.map_or("unmatched", Route::template),
            signs_in: matches!(action, Some(Action::Managed(_))),
            reads_body: action.is_some_and(Action::reads_body),
        }
    }
}

/// What an answer says of the credentials that came with a request that signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They were verified, and are good.
    Accepted,
    /// They are wrong, or were not verified because too many were wrong.
    Refused,
    /// The server failed before it could tell.
    Unknown,
}

impl Verdict {
    /// The component verifies credentials before it looks at the rest of a request: any other refusal means they are good,
    /// and so does the 429 that is not about signing in.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let is_retry_after = |seconds| headers.get(RETRY_AFTER).is_some_and(|v| v == seconds);
        match status.as_u16() {
            429 if is_retry_after(IDEMPOTENCY_RETRY_AFTER) => Self::Accepted,
            401 | 429 => Self::Refused,
            200..500 => Self::Accepted,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn classes() {
        let item = "/api/v1alpha/token/{jwt_token_id}";
        for (method, path, template, signs_in, reads_body) in [
            (
                "GET",
                "/api/v1alpha/token",
                "/api/v1alpha/token",
                true,
                false,
            ),
            (
                "POST",
                "/v1alpha/token/?x=y",
                "/api/v1alpha/token",
                true,
                true,
            ),
            ("DELETE", "/v1alpha/token/x", item, true, false),
            (
                "POST",
                "/v1alpha/introspect",
                "/api/v1alpha/introspect",
                true,
                true,
            ),
            (
                "POST",
                "/v1alpha/revoke",
                "/api/v1alpha/revoke",
                false,
                true,
            ),
            (
                "OPTIONS",
                "/api/v1alpha/token",
                "/api/v1alpha/token",
                false,
                false,
            ),
            (
                "PUT",
                "/api/v1alpha/token",
                "/api/v1alpha/token",
                false,
                false,
            ),
            (
                "POST",
                "/api/v1alpha/verify/x",
                "/api/v1alpha/verify",
                false,
                false,
            ),
            (
                "GET",
                "/api/healthz/liveness",
                "/api/healthz/liveness",
                false,
                false,
            ),
            ("POST", "/api/v1alpha/token/x/y", "unmatched", false, false),
        ] {
            let method = method.parse().expect("a method");
            let class = RouteClass::of(&method, &path.parse().expect("a path"));
            let expected = RouteClass {
                template,
                signs_in,
                reads_body,
            };
            assert_eq!(class, expected, "{method} {path}");
        }
    }

    #[test]
    fn answers_tell_whether_credentials_are_good() {
        let after = |value| HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
        let (nothing, soon) = (HeaderMap::new(), after("300"));
        let later = after(IDEMPOTENCY_RETRY_AFTER);
        for (status, headers, expected) in [
            (200, &nothing, Verdict::Accepted),
            (201, &nothing, Verdict::Accepted),
            (404, &nothing, Verdict::Accepted),
            (415, &nothing, Verdict::Accepted),
            (401, &nothing, Verdict::Refused),
            // Too many attempts, and too many idempotency keys.
            (429, &soon, Verdict::Refused),
            (429, &nothing, Verdict::Refused),
            (429, &later, Verdict::Accepted),
            (500, &nothing, Verdict::Unknown),
            (503, &nothing, Verdict::Unknown),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(Verdict::of(status, headers), expected, "{status}");
        }
    }
}
