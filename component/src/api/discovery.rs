//! Where the routes are that others use (RFC 8414; OpenID Connect Discovery 1.0): for those who know the issuer's address
//! alone.

use bytes::Bytes;
use http::{HeaderMap, Response};
use serde::Serialize;

use super::cacheable;
use super::error::ApiError;
use super::route::BASE;
use crate::service::Service;
use crate::store::Store;

#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    jwks_uri: String,
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 1],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    /// Required, and not to be empty (RFC 8414, section 3.2), although tokens are made by their users.
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: &'a [&'static str],
}

/// Not found where no issuer is configured.
pub(super) fn response<S: Store>(
    service: &Service<S>,
    request: &HeaderMap,
) -> Result<Response<Bytes>, ApiError> {
    let issuer = service.issuer().ok_or(ApiError::NotFound)?;
    let base = issuer.trim_end_matches('/');
    let metadata = Metadata {
        issuer,
        jwks_uri: format!("{base}/.well-known/jwks.json"),
        introspection_endpoint: format!("{base}{BASE}/introspect"),
        introspection_endpoint_auth_methods_supported: ["client_secret_basic"],
        revocation_endpoint: format!("{base}{BASE}/revoke"),
        revocation_endpoint_auth_methods_supported: ["none"],
        response_types_supported: ["none"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: &service.algorithms(),
    };
    Ok(cacheable::response(&metadata, request))
}
