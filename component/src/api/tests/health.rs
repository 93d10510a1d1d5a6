//! `/api/healthz`.

use std::time::Duration;

use super::*;
use crate::testing::NoService;

#[tokio::test(flavor = "current_thread")]
async fn alive_whatever_happens_and_ready_when_it_can_work() {
    let fixture = fixture(&[]);
    for path in ["readyness", "readiness"] {
        let answer = fixture
            .send(&format!("GET /api/healthz/{path}"), &[], "")
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, json!({"message": "i am ready"}));
    }
    fixture.memory.broken.set(true);
    let answer = fixture.send("GET /api/healthz/readyness", &[], "").await;
    assert_eq!((answer.status, answer.code()), (503, "storage_unavailable"));
    let live = fixture.send("GET /api/healthz/liveness", &[], "").await;
    assert_eq!(live.status, 200);
    assert_eq!(live.body, json!({"message": "i am alive"}));

    fixture.memory.broken.set(false);
    fixture.clock.advance(Duration::from_secs(2));

    let none: Result<&NoService, _> = Err(&ConfigError::NoUsers);
    let answer = send(none, "GET /api/healthz/readyness", &[], "").await;
    assert_eq!((answer.status, answer.code()), (503, "not_configured"));
    let live = send(none, "GET /api/healthz/liveness", &[], "").await;
    assert_eq!(live.status, 200);
}

#[tokio::test(flavor = "current_thread")]
async fn not_ready_where_writes_fail() {
    let fixture = fixture(&[]);
    let ready = async || {
        let answer = fixture.send("GET /api/healthz/readiness", &[], "").await;
        answer.status
    };
    assert_eq!(ready().await, 200);
    let written = fixture.memory.documents.borrow()["latchkey-ready"].clone();
    assert_eq!(written, b"1662720135");
    fixture.memory.read_only.set(true);
    // What a write has shown is remembered for a moment, good or bad.
    assert_eq!(ready().await, 200);
    fixture.clock.advance(Duration::from_secs(2));
    assert_eq!(ready().await, 503);
    fixture.memory.read_only.set(false);
    assert_eq!(ready().await, 503);
    fixture.clock.advance(Duration::from_secs(2));
    assert_eq!(ready().await, 200);
}

#[tokio::test(flavor = "current_thread")]
async fn not_ready_with_a_malformed_signing_key() {
    let fixture = fixture(&[]);
    let key = "latchkey-signing-key".to_owned();
    fixture
        .memory
        .documents
        .borrow_mut()
        .insert(key, vec![1; 31]);
    let answer = fixture.send("GET /api/healthz/readiness", &[], "").await;
    assert_eq!((answer.status, answer.code()), (503, "storage_unavailable"));
}
