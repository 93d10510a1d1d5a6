//! The contract of Latchkey, held black box over real HTTP: one file per resource.
//!
//! The suite starts the host, which builds the component where it must; or it is pointed at a server that runs already:
//!
//! ```text
//! cargo test --locked --workspace --test integration
//! LATCHKEY_URL=http://127.0.0.1:3000 LATCHKEY_USER=admin:password cargo test --locked --workspace --test integration
//! ```
//!
//! On a given server the suite deletes the user's tokens, and skips tests that need a configuration, a command line or a
//! second user of their own; they say so on stderr.

mod cases;
mod client;
mod guarded;
mod impostor;
mod load;
mod postgres_programs;
mod postgres_server;
mod process;
mod python;
mod raw;
mod relay;
mod response;
mod server;
mod suites;
mod webdriver;

mod admins;
mod authentication;
mod authorization;
mod bodies;
mod browser;
mod build;
mod carriers;
mod command_line;
mod completions;
mod concurrency;
mod configuration;
mod conventions;
mod crash;
mod create;
mod delete;
mod deployment;
mod deployment_nginx;
mod description;
mod discovery;
mod durations;
mod edge;
mod faults;
mod forgeries;
mod generated_passwords;
mod guard;
mod guard_asks;
mod guard_check;
mod guard_load;
mod guard_requests;
mod handler;
mod health;
mod idempotency;
mod keygen;
mod keys;
mod last_used;
mod leaks;
mod limits;
mod list;
mod login_proxy;
mod manifest;
mod nginx;
mod oauth;
mod observability;
mod page;
mod postgres;
mod postgres_failover;
mod postgres_tls;
mod recipes;
mod redis;
mod redis_tls;
mod reload;
mod restart;
mod rotate;
mod scale;
mod schemathesis;
mod services;
mod show;
mod slow_clients;
mod store_command;
mod throttle;
mod token_command;
mod token_failures;
mod token_format;
mod token_sign_in;
mod transport;
mod trusted_issuers;
mod user_command;
mod verify;
