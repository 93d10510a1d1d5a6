use super::*;
use crate::keyvalue::conformance;
use server::Server;

mod server;

fn start(settings: &[&str]) -> Option<Server> {
    Server::start(&std::env::temp_dir(), settings)
}

async fn connect(server: &Server) -> Redis {
    connect_with(server, "").await
}

async fn connect_with(server: &Server, options: &str) -> Redis {
    let url = format!("{}{options}", server.url).as_str().into();
    for _ in 0..1_000 {
        if let Ok(store) = Redis::connect(&url).await {
            return store;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("Redis does not start");
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let Some(server) = start(&[]) else {
        return;
    };
    let (one, other) = (connect(&server).await, connect(&server).await);
    let decimal = |counter: i64| counter.to_string().into_bytes();
    conformance::run(Arc::new(one), Arc::new(other), decimal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_replicas() {
    let Some(server) = start(&[]) else {
        return;
    };
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    let follow = || start(&["--replicaof", "127.0.0.1", &port]).unwrap();
    let replica = follow();
    let one = connect_with(&server, "?wait=1").await;
    // Until the replica has joined.
    while one.set("a", b"0".to_vec()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let other = connect_with(&server, "?wait=1").await;
    let (one, other) = (Arc::new(one), Arc::new(other));
    let decimal = |counter: i64| counter.to_string().into_bytes();
    conformance::run(one.clone(), other, decimal).await;

    for key in ["a", "b"] {
        one.set(key, b"0".to_vec()).await.unwrap();
    }
    drop(replica);
    let few = BackendError::Failed("too few replicas of Redis have a write".to_owned());
    let swapped = one.compare_and_swap("a", Some(b"0".to_vec()), b"1".to_vec());
    assert_eq!(swapped.await, Err(few.clone()));
    assert_eq!(one.increment("n", 1).await, Err(few.clone()));
    // It is there to be read, and nobody knows for how long.
    let other = connect(&server).await;
    assert_eq!(other.get("a").await, Ok(Some(b"1".to_vec())));
    assert_eq!(one.get("a").await, Err(few));
    assert_eq!(one.get("b").await, Ok(Some(b"0".to_vec())));

    let _replica = follow();
    let mut read = one.get("a").await;
    for _ in 0..1_000 {
        if read.is_ok() {
            break;
        }
        read = one.get("a").await;
    }
    assert_eq!(read, Ok(Some(b"1".to_vec())));
}

#[test]
fn what_leaves_the_machine_in_clear() {
    for (url, expected) in [
        ("redis://:hunter2@example.org", true),
        ("redis://192.0.2.1:6380", true),
        ("redis://[2001:db8::1]", true),
        ("redis://localhost.example.org", true),
        ("rediss://:hunter2@example.org", false),
        ("redis://:hunter2@LocalHost", false),
        ("redis://127.0.0.2", false),
        ("redis://[::1]:6380", false),
        ("redis+unix:///run/redis.sock", false),
    ] {
        let (client, _) = check_url(url).unwrap();
        assert_eq!(
            is_in_clear(client.get_connection_info().addr()),
            expected,
            "{url}"
        );
    }
}
