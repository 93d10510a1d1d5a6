//! Health, for orchestrators.

use crate::server::Server;

#[test]
fn alive_and_ready() {
    let server = Server::shared();
    for (path, message) in [
        ("liveness", "i am alive"),
        ("readyness", "i am ready"),
        ("readiness", "i am ready"),
    ] {
        let answer = server
            .request("GET", &format!("/api/healthz/{path}"))
            .send()
            .expect(200);
        assert_eq!(answer.body, format!(r#"{{"message":"{message}"}}"#));
    }
}
