use super::*;
use crate::keyvalue::conformance;
use server::Server;

mod server;

fn start(settings: &[&str]) -> Option<Server> {
    Server::start(&std::env::temp_dir(), settings)
}

async fn connect(server: &Server) -> Postgres {
    let url = server.url("latchkey", "postgres").as_str().into();
    Postgres::connect(&url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let Some(server) = start(&[]) else {
        return;
    };
    // The second isolates transactions more than by default, and lets a user have few connections.
    server.sql("postgres", "CREATE DATABASE strict");
    server.sql(
        "postgres",
        "ALTER DATABASE strict SET default_transaction_isolation = 'serializable'",
    );
    server.sql("postgres", "ALTER DATABASE strict CONNECTION LIMIT 5");
    server.sql("postgres", "CREATE ROLE few LOGIN");
    server.sql("strict", "GRANT CREATE ON SCHEMA public TO few");
    for (user, database) in [("latchkey", "postgres"), ("few", "strict")] {
        let url = server.url(user, database).as_str().into();
        // Both at once: the table is made once.
        let (one, other) = tokio::join!(Postgres::connect(&url), Postgres::connect(&url));
        let (one, other) = (Arc::new(one.unwrap()), Arc::new(other.unwrap()));
        conformance::run(one, other, conformance::little_endian).await;
    }
}

/// Waits until somebody waits for the standby, and returns the process.
fn waits_for_the_standby(server: &Server) -> String {
    for _ in 0..500 {
        let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let waiting = server.sql("postgres", waiting);
        if !waiting.is_empty() {
            return waiting;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nobody waits for the standby");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_standby_does_not_have_is_neither_acknowledged_nor_read() {
    // There is no such standby. At first, nobody waits for it.
    let settings = [
        "synchronous_standby_names=nobody",
        "synchronous_commit=local",
    ];
    let Some(server) = start(&settings) else {
        return;
    };
    let bytes = |text: &str| text.as_bytes().to_vec();
    let store = connect(&server).await;
    store.set("a", bytes("0")).await.unwrap();
    store.set("b", bytes("0")).await.unwrap();
    let waits = |waits| {
        let set = format!("ALTER ROLE latchkey SET synchronous_commit = {waits}");
        server.sql("postgres", &set);
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE application_name = 'latchkey'";
        server.sql("postgres", others);
    };
    for (round, end) in ["pg_cancel_backend", "pg_terminate_backend"]
        .into_iter()
        .enumerate()
    {
        let (old, new) = (bytes(&round.to_string()), bytes(&(round + 1).to_string()));
        waits("on");
        let store = Arc::new(connect(&server).await);
        let writing = tokio::spawn({
            let (store, new) = (store.clone(), new.clone());
            async move { store.compare_and_swap("a", Some(old), new).await }
        });
        let process = waits_for_the_standby(&server);
        server.sql("postgres", &format!("SELECT {end}({process})"));
        let written = writing.await.unwrap();
        assert!(written.is_err(), "{end}: {written:?}");

        let seen = "SELECT convert_from(value, 'UTF8') FROM latchkey WHERE key = 'a'";
        let seen = server.sql("postgres", seen);
        assert_eq!(seen.as_bytes(), new, "{end}: nothing was to be seen");
        let read = store.get("a").await;
        assert!(read.is_err(), "{end}: {read:?}");
        assert_eq!(store.get("b").await, Ok(Some(bytes("0"))), "{end}");

        waits("local");
        let mut read = store.get("a").await;
        // Its connections end.
        for _ in 0..100 {
            if read.is_ok() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
            read = store.get("a").await;
        }
        assert_eq!(read, Ok(Some(new)), "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_used_is_refused() {
    let Some(server) = start(&[]) else {
        return;
    };
    server.sql("postgres", "CREATE ROLE guest LOGIN");
    let table = "CREATE TABLE latchkey (key text PRIMARY KEY, value bytea NOT NULL)";
    for (number, (statements, says)) in [
        (vec![], "latchkey store init"),
        (vec![table], "rights"),
        (
            vec![table, "GRANT SELECT, INSERT, UPDATE ON latchkey TO guest"],
            "rights",
        ),
        (
            vec![
                "CREATE TABLE latchkey (key text, value bytea)",
                "GRANT ALL ON latchkey TO guest",
            ],
            "primary key",
        ),
        (
            vec![
                "CREATE TABLE latchkey (key text PRIMARY KEY, value text)",
                "GRANT ALL ON latchkey TO guest",
            ],
            "columns",
        ),
        (
            vec![
                "CREATE UNLOGGED TABLE latchkey (key text PRIMARY KEY, value bytea)",
                "GRANT ALL ON latchkey TO guest",
            ],
            "survive",
        ),
        (
            vec![
                table,
                "GRANT ALL ON latchkey TO guest",
                "ALTER ROLE guest SET synchronous_commit = off",
            ],
            "synchronous_commit",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let database = format!("d{number}");
        server.sql("postgres", &format!("CREATE DATABASE {database}"));
        for statement in statements {
            server.sql(&database, statement);
        }
        let url = server.url("guest", &database).as_str().into();
        let error = match Postgres::connect(&url).await {
            Ok(_) => panic!("{says}: it is used"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(says), "{says}: {error}");
    }
    server.sql("postgres", "ALTER ROLE guest RESET synchronous_commit");
    server.sql("postgres", "CREATE DATABASE good");
    server.sql("good", table);
    server.sql(
        "good",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON latchkey TO guest",
    );
    let url = server.url("guest", "good").as_str().into();
    let store = Postgres::connect(&url).await.unwrap();
    assert_eq!(store.increment("n", 1).await, Ok(1));
}
