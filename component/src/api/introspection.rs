//! The introspection response (RFC 7662, section 2.2).

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;

use super::response;
use crate::service::LiveToken;
use crate::token::{Audience, Scope, TokenId};

#[derive(Serialize)]
struct Active<'a> {
    active: bool,
    username: &'a str,
    token_type: &'static str,
    exp: u64,
    iat: u64,
    sub: &'a str,
    jti: TokenId,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a Scope>,
    /// How its user had signed in when it was made, if without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<&'static str>,
    /// The trusted issuer by whose ID token.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    /// When its user last signed in so, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sign_in: Option<u64>,
}

/// A token that is not live has no other member: not even the reason.
#[derive(Serialize)]
struct Inactive {
    active: bool,
}

pub(super) fn response(live: Option<&LiveToken>) -> Response<Bytes> {
    let Some(live) = live else {
        return response::json(StatusCode::OK, &Inactive { active: false });
    };
    let LiveToken { user, status, .. } = live;
    let token = &status.token;
    let issuer = token.issuer.as_ref();
    let body = Active {
        active: true,
        username: user.as_str(),
        token_type: "Bearer",
        // Not the claim, if it ends earlier because it was rotated, or its user stays away: a service may cache this response
        // until then.
        exp: live.ends_at,
        iat: token.issued_at,
        sub: user.as_str(),
        jti: token.id,
        iss: issuer.map(|issuer| issuer.name.as_str()),
        aud: token.audience(),
        scope: token.limits.scope.as_ref(),
        means: token.provenance.means.unless_password(),
        issuer: token.provenance.means.issuer(),
        last_sign_in: live.last_sign_in,
    };
    response::json(StatusCode::OK, &body)
}
