//! The store in a real PostgreSQL that speaks TLS, with a certificate that is trusted or not.

use crate::postgres_server::Postgres;
use crate::process::Stderr;
use crate::server::{Launch, Server};

/// Starts one with a certificate for `name`, and maybe for the loopback address. Returns it and the options of its URL that trust
/// this certificate.
fn start(name: &str, with_address: bool) -> Option<(Postgres, String)> {
    let mut postgres = Postgres::make(&["ssl=on"])?;
    let certificate = postgres.certificate(name, with_address);
    postgres.resume();
    let options = format!("sslrootcert={}", certificate.display());
    Some((postgres, options))
}

#[track_caller]
fn is_refused(postgres: &Postgres, options: &str) {
    let url = format!("{}?{options}", postgres.url());
    let refused = Launch::new().store(&url).spawn(Stderr::Kept).finish();
    assert_eq!(refused.status.code(), Some(1), "{options}: {refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{options}: {refused:?}");
    let said = &refused.stderr;
    assert!(said.contains("certificate"), "{options}: {said}");
    assert!(!said.contains("hunter2"), "{options}: {said}");
}

/// Whether it is served, and over TLS.
#[track_caller]
fn is_served(postgres: &Postgres, options: &str) {
    let url = format!("{}?{options}", postgres.url());
    let server = Server::start(Launch::new().store(&url));
    server.user().issue(options, 360);
    let secure = postgres.sql(
        "SELECT count(*) > 0 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = 'latchkey'",
    );
    assert_eq!(secure, "t", "{options}");
}

#[test]
fn its_certificate_has_to_be_trusted() {
    let Some((postgres, trust)) = start("postgres.example", true) else {
        return;
    };
    is_served(&postgres, &trust);
    is_served(&postgres, &format!("sslmode=verify-full&{trust}"));
    is_served(&postgres, &format!("sslmode=verify-ca&{trust}"));
    is_served(&postgres, "sslmode=require");
    is_served(&postgres, "sslmode=prefer");
    is_refused(&postgres, "sslmode=verify-full");

    let Some((_other, another)) = start("postgres.example", true) else {
        return;
    };
    is_refused(&postgres, &format!("sslmode=verify-full&{another}"));
    is_refused(&postgres, &format!("sslmode=verify-ca&{another}"));
}

#[test]
fn its_name_has_to_be_that_of_the_certificate() {
    let Some((postgres, trust)) = start("postgres.example", false) else {
        return;
    };
    is_refused(&postgres, &format!("sslmode=verify-full&{trust}"));
    is_refused(&postgres, &trust);
    is_served(&postgres, &format!("sslmode=verify-ca&{trust}"));
}
