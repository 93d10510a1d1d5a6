//! What only administrators may ask: about all users, and about the tokens of one.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::error::ApiError;
use super::response;
use super::route::Route;
use crate::auth::SignedIn;
use crate::service::{Directory, Service, ServiceError, UserSummary};
use crate::store::Store;
use crate::text::{rfc3339, unescape};
use crate::token::Username;

/// Whose tokens the request is about, and the administrator, if one asks for somebody else. Nobody else learns whether
/// there is such a user.
pub(super) async fn subject<S: Store>(
    service: &Service<S>,
    signed_in: SignedIn,
    route: Route<'_>,
) -> Result<(SignedIn, Option<Username>), ApiError> {
    if !route.is_for_admins() {
        return Ok((signed_in, None));
    } else if !service.is_admin(&signed_in) {
        return Err(ApiError::NotAdmin);
    }
    let admin = signed_in.user.clone();
    let Some(segment) = route.user() else {
        return Ok((signed_in, Some(admin)));
    };
    let user = unescape(segment, b'%').and_then(|name| name.parse().ok());
    let user = user.ok_or(ServiceError::NoSuchUser)?;
    let subject = service.on_behalf_of(user, &admin).await?;
    Ok((subject, Some(admin)))
}

/// The answer to `GET /users`, from the user on whom `after=NAME` of the query names.
pub(super) async fn users<S: Store>(
    service: &Service<S>,
    query: Option<&str>,
) -> Result<Response<Bytes>, ApiError> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut after = None;
    for (name, value) in pairs {
        match &*name {
            "after" if after.is_none() => after = Some(value.into_owned()),
            // A misspelt one would show the same users again and again.
            _ => {
                let problem = "must be after, and no other, once";
                return Err(ApiError::InvalidParameter(problem.to_owned()));
            }
        }
    }
    let directory = service.users(after.as_deref()).await?;
    let Directory { users, has_more } = &directory;
    let next = users.last().filter(|_| *has_more);
    let body = Users {
        message: "Users exist",
        users,
        next: next.map(|last| last.user.as_str()),
    };
    Ok(response::json(StatusCode::OK, &body))
}

#[derive(Serialize)]
struct Users<'a> {
    message: &'static str,
    #[serde(serialize_with = "by_name")]
    users: &'a [UserSummary],
    /// What to ask for with `after`, if there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

fn by_name<S: Serializer>(users: &[UserSummary], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Entry {
        configured: bool,
        admin: bool,
        jwt_tokens: usize,
        jwt_token_last_used: Option<String>,
        last_sign_in: Option<String>,
    }
    let mut map = serializer.serialize_map(Some(users.len()))?;
    for user in users {
        let entry = Entry {
            configured: user.is_configured,
            admin: user.is_admin,
            jwt_tokens: user.tokens,
            jwt_token_last_used: user.last_used.map(rfc3339),
            last_sign_in: user.last_sign_in.map(rfc3339),
        };
        map.serialize_entry(user.user.as_str(), &entry)?;
    }
    map.end()
}
