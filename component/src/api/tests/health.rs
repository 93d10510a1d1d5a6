//! `/api/healthz`.

use super::*;
use crate::testing::NoService;

#[tokio::test(flavor = "current_thread")]
async fn alive_whatever_happens_and_ready_when_it_can_work() {
    let world = world(&[]);
    for path in ["readyness", "readiness"] {
        let answer = world
            .send(&format!("GET /api/healthz/{path}"), &[], "")
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, json!({"message": "i am ready"}));
    }
    world.memory.broken.set(true);
    let answer = world.send("GET /api/healthz/readyness", &[], "").await;
    assert_eq!((answer.status, answer.code()), (503, "storage_unavailable"));
    let live = world.send("GET /api/healthz/liveness", &[], "").await;
    assert_eq!(live.status, 200);
    assert_eq!(live.body, json!({"message": "i am alive"}));

    let none: Result<&NoService, _> = Err(&ConfigError::NoUsers);
    let answer = send(none, "GET /api/healthz/readyness", &[], "").await;
    assert_eq!((answer.status, answer.code()), (503, "not_configured"));
    let live = send(none, "GET /api/healthz/liveness", &[], "").await;
    assert_eq!(live.status, 200);
}
