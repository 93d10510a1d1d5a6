//! Issuers of ID tokens (OpenID Connect Core 1.0, section 2) that are trusted to say who somebody is.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Authority, Bounds, SignedIn};
use crate::jwt::{self, ForeignClaims, TrustedKeys};
use crate::lifetime::Lifetime;
use crate::text;
use crate::token::{Means, Provenance, Scope, Timestamp};

/// How far the clock of an issuer may be from ours.
const LEEWAY: Duration = Duration::from_secs(60);

/// The longest name of an issuer, in bytes: it is kept with each token.
const MAX_NAME: usize = 255;

/// A claim that only tokens of Latchkey have. None of them signs in, whoever issued it: a token cannot make tokens.
const OF_LATCHKEY: &str = "jwt_token_id";

/// The trusted issuers, each of another name.
#[derive(Clone, Debug, Default)]
pub struct TrustedIssuers(Vec<TrustedIssuer>);

/// An issuer, whom it may speak for, and what may be made on its word.
#[derive(Clone, Debug)]
struct TrustedIssuer {
    /// The claim `iss`.
    name: String,
    keys: TrustedKeys,
    /// What the claim `aud` must have.
    audience: String,
    user_claim: String,
    user_prefix: String,
    require: Map<String, Value>,
    bounds: Bounds,
}

/// Why an ID token does not sign in: for the log. The client is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum IdTokenError {
    #[error("it is no token")]
    Malformed,
    #[error("it is a token of Latchkey")]
    OfLatchkey,
    #[error("`iss` is no trusted issuer")]
    Issuer,
    #[error("`aud` has not the audience of the issuer")]
    Audience,
    #[error("it has no `exp`, has expired, or is not valid yet")]
    Time,
    #[error("a claim of `require` is missing or another")]
    Required,
    #[error("the claim of the user is missing, or no user name")]
    User,
    #[error("no key of the issuer has signed it")]
    Signature,
}

impl TrustedIssuers {
    /// Parses the variable `trusted_issuers`: a JSON array of objects.
    ///
    /// # Errors
    ///
    /// What is wrong, with the number of the issuer.
    pub fn parse(text: &str) -> Result<Self, String> {
        let array: Vec<Value> = serde_json::from_str(text)
            .map_err(|error| format!("it is not a JSON array (line {})", error.line()))?;
        let mut issuers: Vec<TrustedIssuer> = Vec::new();
        for (index, issuer) in array.into_iter().enumerate() {
            let problem = |problem: String| format!("issuer {}: {problem}", index + 1);
            let issuer = TrustedIssuer::parse(issuer).map_err(problem)?;
            if issuers.iter().any(|other| other.name == issuer.name) {
                return Err(problem("the same `issuer` as an earlier one".to_owned()));
            }
            issuers.push(issuer);
        }
        Ok(Self(issuers))
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them has this name.
    pub fn include(&self, name: &str) -> bool {
        self.0.iter().any(|issuer| issuer.name == name)
    }

    /// Who `token` says is asking, if its claims are good, and the keys that must have signed it: that is for the caller to
    /// find out, and costs more than all this.
    ///
    /// # Errors
    ///
    /// [`IdTokenError`].
    pub fn read(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(SignedIn, &TrustedKeys), IdTokenError> {
        let claims = jwt::foreign_claims(token).map_err(|_| IdTokenError::Malformed)?;
        if claims.contains_key(OF_LATCHKEY) {
            return Err(IdTokenError::OfLatchkey);
        }
        let name = claims.get("iss").and_then(Value::as_str);
        let issuer = self.0.iter().find(|issuer| name == Some(&issuer.name));
        let issuer = issuer.ok_or(IdTokenError::Issuer)?;
        Ok((issuer.read(&claims, now)?, &issuer.keys))
    }
}

impl TrustedIssuer {
    fn parse(issuer: Value) -> Result<Self, String> {
        let Value::Object(members) = issuer else {
            return Err("it is not an object".to_owned());
        };
        let mut members = Members(members);
        let duration = |text: String| text.parse::<Lifetime>().map_err(|e| e.to_string());
        let scope = |text: String| text.parse::<Scope>().map_err(|e| e.to_string());
        let named = |name: &str, error: String| format!("`{name}`: {error}");
        let keys = members.0.remove("jwks").ok_or("`jwks` is missing")?;
        let parsed = Self {
            name: members.required("issuer")?,
            keys: TrustedKeys::parse(&keys).map_err(|error| named("jwks", error.to_string()))?,
            audience: members.required("audience")?,
            user_claim: members.required("user_claim")?,
            user_prefix: members.text("user_prefix")?.unwrap_or_default(),
            require: match members.0.remove("require") {
                None => Map::new(),
                Some(Value::Object(require)) => require,
                Some(_) => return Err("`require` must be an object".to_owned()),
            },
            bounds: Bounds {
                max_token_life: (members.text("max_token_life")?)
                    .map(duration)
                    .transpose()
                    .map_err(|error| named("max_token_life", error))?,
                scope: (members.text("scope")?)
                    .map(scope)
                    .transpose()
                    .map_err(|error| named("scope", error))?,
            },
        };
        if let Some(unknown) = members.0.keys().next() {
            return Err(format!("there is no member {}", Value::from(&**unknown)));
        }
        match parsed.name.len() {
            ..=MAX_NAME => Ok(parsed),
            _ => Err(format!("`issuer` must have at most {MAX_NAME} bytes")),
        }
    }

    fn read(&self, claims: &ForeignClaims, now: Timestamp) -> Result<SignedIn, IdTokenError> {
        if !is_for(claims, &self.audience) {
            return Err(IdTokenError::Audience);
        }
        if !is_current(claims, now) {
            return Err(IdTokenError::Time);
        }
        let mut required = self.require.iter();
        if !required.all(|(name, value)| find(claims, name) == Some(value)) {
            return Err(IdTokenError::Required);
        }
        let user = find(claims, &self.user_claim).and_then(Value::as_str);
        // Not the prefix alone: that would be one user for all who have none.
        // And no name may differ from another only by what nobody sees.
        let user = user.filter(|user| !user.is_empty() && !user.contains(text::is_invisible));
        let user = user.and_then(|user| format!("{}{user}", self.user_prefix).parse().ok());
        Ok(SignedIn {
            user: user.ok_or(IdTokenError::User)?,
            authority: Authority {
                provenance: Provenance {
                    means: Means::Issuer(self.name.clone()),
                    by: None,
                },
                bounds: self.bounds.clone(),
            },
        })
    }
}

/// The members of an issuer that nobody has taken yet.
struct Members(Map<String, Value>);

impl Members {
    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.contains(text::is_unsafe) => {
                Err(format!("`{name}` has a character that cannot be seen"))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{name}` must be a string")),
        }
    }

    fn required(&mut self, name: &str) -> Result<String, String> {
        match self.text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            Some(_) => Err(format!("`{name}` must not be empty")),
            None => Err(format!("`{name}` is missing")),
        }
    }
}

/// The claim of this name. A name that begins with a slash leads into objects (JSON Pointer, RFC 6901), as
/// `/kubernetes.io/serviceaccount/name`.
fn find<'a>(claims: &'a ForeignClaims, name: &str) -> Option<&'a Value> {
    match name.strip_prefix('/') {
        None => claims.get(name),
        Some(path) => {
            let unescape = |name: &str| name.replace("~1", "/").replace("~0", "~");
            let mut names = path.split('/').map(unescape);
            let first = claims.get(&names.next()?)?;
            names.try_fold(first, |value, name| value.as_object()?.get(&name))
        }
    }
}

/// RFC 7519, section 4.1.3.
fn is_for(claims: &ForeignClaims, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(name)) => name == audience,
        Some(Value::Array(names)) => {
            names.iter().all(Value::is_string) && names.iter().any(|name| name == audience)
        }
        _ => false,
    }
}

/// RFC 7519, sections 4.1.4 to 4.1.6. Only `exp` must be there.
fn is_current(claims: &ForeignClaims, now: Timestamp) -> bool {
    let now = now.as_secs() as f64;
    let leeway = LEEWAY.as_secs() as f64;
    let is = |name, good: &dyn Fn(f64) -> bool| match claims.get(name) {
        None => true,
        Some(value) => value.as_f64().is_some_and(|at| at >= 0.0 && good(at)),
    };
    let has_begun = |at| at <= now + leeway;
    claims.contains_key("exp")
        && is("exp", &|at| now < at + leeway)
        && is("nbf", &has_begun)
        && is("iat", &has_begun)
}

#[cfg(test)]
mod tests;
