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
}

/// A token that is not live has no other member: not even the reason.
#[derive(Serialize)]
struct Inactive {
    active: bool,
}

pub(super) fn response(live: Option<&LiveToken>) -> Response<Bytes> {
    let Some(LiveToken { user, status }) = live else {
        return response::json(StatusCode::OK, &Inactive { active: false });
    };
    let token = &status.token;
    let issuer = token.issuer.as_ref();
    let body = Active {
        active: true,
        username: user.as_str(),
        token_type: "Bearer",
        // The end of the overlap, if rotated, and not the claim: a service may cache this response until then.
        exp: token.ends_at(),
        iat: token.issued_at,
        sub: user.as_str(),
        jti: token.id,
        iss: issuer.map(|issuer| issuer.name.as_str()),
        aud: token.audience(),
        scope: token.limits.scope.as_ref(),
    };
    response::json(StatusCode::OK, &body)
}
