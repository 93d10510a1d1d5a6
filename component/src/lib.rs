//! Latchkey: personal access tokens as one WebAssembly component.
//!
//! A user signs in with HTTP Basic, creates a token with a description and a life, sees the signed JWT once, lists tokens,
//! and revokes them. A service that is shown a token can ask whether it is good.
//!
//! | route | method | action |
//! |---|---|---|
//! | `/api/v1alpha/token` | `GET` | list the user's tokens |
//! | `/api/v1alpha/token` | `POST` | issue a token |
//! | `/api/v1alpha/token/{jwt_token_id}` | `GET` | show one token |
//! | `/api/v1alpha/token/{jwt_token_id}` | `DELETE` | revoke one token |
//! | `/api/v1alpha/token/{jwt_token_id}/rotate` | `POST` | replace a token by a new one |
//! | `/api/v1alpha/token?all=true` | `DELETE` | revoke all tokens |
//! | `/api/v1alpha/users` | `GET` | list the users, for an administrator |
//! | `/api/v1alpha/users/{user}/token` | `GET`, `POST`, `DELETE` with `?all=true` | the same as `/token`, for another user |
//! | `/api/v1alpha/users/{user}/token/{jwt_token_id}` | `GET`, `DELETE` | the same as `/token/{jwt_token_id}`, for another user |
//! | `/api/v1alpha/introspect` | `POST` | tell a service what a token is |
//! | `/api/v1alpha/revoke` | `POST` | revoke the token that is sent, without signing in |
//! | `/api/v1alpha/verify`, and all below it | any | tell a proxy whose token it is, and whether it is good for what is demanded |
//! | `/` | `GET` | show the page for people |
//! | `/openapi.json` | `GET` | describe the API |
//! | `/.well-known/jwks.json` | `GET` | show the public keys |
//! | `/.well-known/oauth-authorization-server` or `openid-configuration` | `GET` | tell where the other routes are |
//! | `/api/healthz/liveness`, `/api/healthz/readyness` or `readiness` | `GET` | tell whether the component runs, and can work |
//!
//! Without `/api` the routes of `/v1alpha` are the same. `HEAD` goes with `GET`, `OPTIONS` with all.
//!
//! The modules, from the pure to the impure; each uses only those above it:
//!
//! | module | its one job |
//! |---|---|
//! | [`secret`] | text that must not be shown |
//! | [`text`] | text that is pasted, and text that is shown |
//! | [`lifetime`] | human duration to seconds |
//! | [`token`] | users, tokens, and what makes each valid |
//! | [`ports`] | the clock and randomness, as arguments |
//! | [`jwt`] | keys, claims, sign, verify |
//! | [`idempotency`] | requests that may be repeated |
//! | [`ledger`] | all tokens of one user as one value |
//! | [`store`] | load a ledger, change it: by confirmed compare-and-swap, or as records where there is none |
//! | [`auth`] | who is asking |
//! | [`audit`] | events for an auditor, as lines |
//! | [`config`] | variables to a valid configuration |
//! | [`service`] | the use cases |
//! | [`api`] | HTTP |
//! | [`guard`] | how the guard is configured |
//!
//! The composition roots are the crates in `component/wasm`, `component/edge` and `component/guard`, the only ones that know
//! WIT. Without Wasm and Spin in this one, the whole service runs natively, in tests and in the benchmark.

pub mod api;
pub mod audit;
pub mod auth;
pub mod config;
pub mod guard;
pub mod idempotency;
pub mod jwt;
pub mod ledger;
pub mod lifetime;
pub mod ports;
pub mod secret;
pub mod service;
pub mod store;
#[cfg(test)]
mod testing;
pub mod text;
pub mod token;
