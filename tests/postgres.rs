//! The store in a real PostgreSQL, shared by two hosts.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::health::{can_write_again, health};
use crate::load::{self, Load};
use crate::postgres_server::{Network, Pooler, Postgres, launch, url};
use crate::process::Stderr;
use crate::server::{Launch, PASSWORD, Server};
use crate::verify::verify;

#[test]
fn two_hosts_share_one() {
    let Some(postgres) = Postgres::start(&[]) else {
        return;
    };
    // Both make the table.
    let (one, other) = (postgres.launch(), postgres.launch());
    let starting = thread::spawn(|| Server::start(one));
    let (other, one) = (Server::start(other), starting.join().expect("a host"));
    let on_one = one.named("user-0", PASSWORD);
    let on_other = other.named("user-0", PASSWORD);
    let issued = on_one.issue("alpha", 360);
    assert_eq!(on_other.ids(), [issued.id.as_str()]);
    on_other
        .create("alpha", 360)
        .refused(400, "description_taken");
    on_other.delete(&issued.id).expect(200);
    on_one.show(&issued.id).refused(404, "no_such_token");
    let keys = postgres.sql("SELECT key FROM latchkey WHERE key LIKE '%user%' ORDER BY key");
    let expected = [
        "latchkey-gate-ledger-user_2d0-0",
        "latchkey-ledger-user_2d0",
    ];
    assert_eq!(keys.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_pooler_may_be_in_between() {
    let Some(postgres) = Postgres::start(&[]) else {
        return;
    };
    let Some(pooler) = Pooler::start(&postgres) else {
        return;
    };
    let launch = || launch(&url(&[pooler.port]));
    let hosts = [Server::start(launch()), Server::start(launch())];
    works_for_many(&hosts);
}

/// Two hosts with more clients than connections.
#[track_caller]
fn works_for_many(hosts: &[Server; 2]) {
    let urls = [hosts[0].url.as_str(), &hosts[1].url];
    let load = Load::start(&urls, "user-1", 8, 0, true);
    load.wait_for(100);
    let told = load.stop();
    for url in urls {
        told.check(&load::list(url, "user-1"));
    }
    assert_eq!(told.unavailable, 0);
}

#[test]
fn a_postgres_that_dies_or_restarts_loses_nothing() {
    let Some(mut postgres) = Postgres::start(&[]) else {
        return;
    };
    let hosts = [
        Server::start(postgres.launch()),
        Server::start(postgres.launch()),
    ];
    let urls = [hosts[0].url.as_str(), &hosts[1].url];
    let load = Load::start(&urls, "user-0", 4, 0, true);
    let mut unavailable = 0;
    for round in 0..4 {
        load.wait_for(load.acknowledged() + 30);
        match round % 2 {
            0 => postgres.kill(),
            _ => postgres.stop(),
        }
        // 503 while the store is away, and everything as before once it is back.
        unavailable += 3;
        load.wait_for_unavailable(unavailable);
        postgres.resume();
    }
    load.wait_for(load.acknowledged() + 30);
    let told = load.stop();
    for url in urls {
        told.check(&load::list(url, "user-0"));
    }
}

#[test]
fn hosts_that_die_lose_nothing() {
    let Some(postgres) = Postgres::start(&[]) else {
        return;
    };
    for round in 0..3 {
        let hosts = [
            Server::start(postgres.launch()),
            Server::start(postgres.launch()),
        ];
        let urls = [hosts[0].url.as_str(), &hosts[1].url];
        let name = format!("user-{round}");
        let load = Load::start(&urls, &name, 4, round, false);
        load.wait_for(3 + round);
        hosts[0].kill();
        load.wait_for(load.acknowledged() + 10);
        let told = load.stop();
        told.check(&load::list(&hosts[1].url, &name));
    }
}

/// A host that cannot work after `refuse`, until after `accept`.
fn not_ready_between(
    postgres: &mut Postgres,
    launch: Launch,
    refuse: impl FnOnce(&mut Postgres),
    accept: impl FnOnce(&mut Postgres),
) {
    let server = Server::start(launch);
    can_write_again(&server);
    refuse(postgres);
    crate::health::cannot_write(&server);
    for _ in 0..3 {
        health(&server, "liveness").expect(200);
    }
    accept(postgres);
    can_write_again(&server);
}

#[test]
fn not_ready_while_postgres_is_away() {
    let Some(mut postgres) = Postgres::start(&[]) else {
        return;
    };
    let launch = postgres.launch();
    not_ready_between(&mut postgres, launch, Postgres::kill, Postgres::resume);
}

#[test]
fn not_ready_while_postgres_does_not_answer() {
    let Some(mut postgres) = Postgres::start(&[]) else {
        return;
    };
    let network = Network::to(postgres.port);
    let launch = launch(&url(&[network.port]));
    not_ready_between(
        &mut postgres,
        launch,
        |_| network.be_silent(true),
        |_| network.be_silent(false),
    );
}

#[test]
fn not_ready_while_postgres_is_read_only() {
    let Some(mut postgres) = Postgres::start(&[]) else {
        return;
    };
    let launch = postgres.launch();
    not_ready_between(
        &mut postgres,
        launch,
        |postgres| {
            postgres.sql("ALTER SYSTEM SET default_transaction_read_only = on");
            postgres.sql("SELECT pg_reload_conf()");
        },
        |postgres| {
            postgres.sql("ALTER SYSTEM RESET default_transaction_read_only");
            postgres.sql("SELECT pg_reload_conf()");
        },
    );
}

const END_CONNECTIONS: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";

/// A user who may have as many connections as that.
fn app(postgres: &Postgres, connections: u32) -> String {
    postgres.sql(&format!(
        "CREATE ROLE app LOGIN PASSWORD 'hunter2' CONNECTION LIMIT {connections}"
    ));
    postgres.sql("GRANT CREATE ON SCHEMA public TO app");
    postgres.url().replace("latchkey:", "app:")
}

#[test]
fn not_ready_while_postgres_is_out_of_connections() {
    let Some(mut postgres) = Postgres::start(&[]) else {
        return;
    };
    let launch = launch(&app(&postgres, 20));
    let limit = |postgres: &mut Postgres, limit| {
        postgres.sql(&format!("ALTER ROLE app CONNECTION LIMIT {limit}"));
    };
    not_ready_between(
        &mut postgres,
        launch,
        |postgres| {
            limit(postgres, 0);
            postgres.sql(END_CONNECTIONS);
        },
        |postgres| limit(postgres, 20),
    );
}

#[test]
fn few_connections_are_enough() {
    let Some(postgres) = Postgres::start(&[]) else {
        return;
    };
    // For each host, one to read and one to write.
    let url = app(&postgres, 4);
    let hosts = [Server::start(launch(&url)), Server::start(launch(&url))];
    works_for_many(&hosts);
}

#[test]
fn sessions_that_time_out_are_begun_again() {
    let Some(postgres) = Postgres::start(&[]) else {
        return;
    };
    let url = app(&postgres, 20);
    // For the host alone: on a busy machine, `psql` may be idle for as long before it asks.
    for timeout in [
        "idle_session_timeout",
        "idle_in_transaction_session_timeout",
    ] {
        postgres.sql(&format!("ALTER ROLE app SET {timeout} = 300"));
    }
    let server = Server::start(launch(&url));
    let user = server.named("user-0", PASSWORD);
    for number in 0..3 {
        user.issue(&format!("token {number}"), 360);
        while postgres
            .sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'latchkey'")
            != "0"
        {
            thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(user.ids().len(), 3);
}

#[test]
fn a_restore_brings_revoked_tokens_back_until_the_key_is_another() {
    let Some(postgres) = Postgres::start(&[]) else {
        return;
    };
    let server = Server::start(postgres.launch());
    let user = server.named("user-0", PASSWORD);
    let revoked = user.issue("revoked", 360);
    let dump = postgres.run("pg_dump", "--format custom --table latchkey", &[]);
    user.delete(&revoked.id).expect(200);
    let dead = user.issue("after the backup", 360);
    server.kill();

    let options = "--clean --if-exists --single-transaction";
    postgres.run("pg_restore", options, &dump);
    let server = Server::start(postgres.launch());
    verify(&server, &revoked.token).expect(200);
    verify(&server, &dead.token).expect(401);
    server.kill();

    let document = include_str!("../docs/postgresql.md");
    let delete = document.lines().find(|line| line.starts_with("DELETE "));
    postgres.sql(delete.expect("the statement"));
    let server = Server::start(postgres.launch());
    verify(&server, &revoked.token).expect(401);
    let issued = server.named("user-0", PASSWORD).issue("new", 360);
    verify(&server, &issued.token).expect(200);
}

#[test]
fn a_postgres_that_cannot_be_used_is_one_line() {
    let Some(postgres) = Postgres::start(&[]) else {
        return;
    };
    // Which builds the component, once, and says so.
    Server::shared();
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = nobody.local_addr().expect("an address").port();
    drop(nobody);
    for (url, says) in [
        (
            postgres.url().replace("hunter2", "wrong-secret"),
            "does not let this user in",
        ),
        (
            postgres.url().replace("/postgres", "/nowhere"),
            "no such database",
        ),
        (url(&[closed]).replace("hunter2", "wrong-secret"), "refused"),
        (
            format!("{}?sslmode=require", postgres.url()),
            "does not support TLS",
        ),
        (
            format!("{}?sslmode=verify-full", postgres.url()),
            "does not support TLS",
        ),
    ] {
        let finished = Launch::new().store(&url).spawn(Stderr::Kept).finish();
        assert_eq!(finished.status.code(), Some(1), "{url}: {finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{url}: {finished:?}");
        assert!(finished.stderr.contains(says), "{url}: {finished:?}");
        for secret in ["wrong-secret", "hunter2"] {
            assert!(!finished.stderr.contains(secret), "{finished:?}");
        }
        assert_eq!(finished.stdout, "", "{url}");
    }
}
