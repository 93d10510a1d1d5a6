//! Asks Latchkey whether it can work with its configuration.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;

use super::StartError;
use super::answer::{Answer, Failure};
use super::body::RequestBody;
use super::instance::ComponentInstances;
use super::services::Service;
use super::worker;
use crate::variables::Variables;
use crate::variables::live::LiveVariables;

/// Asks `latchkey` by a request to its first worker.
pub(super) async fn check(latchkey: &Service) -> Result<(), StartError> {
    let answer = latchkey.dispatcher.dispatch(0, None, question()?);
    judge(answer.await).await
}

/// Asks an instance of its own, which has these variables and ends afterwards.
pub(super) async fn try_variables(
    latchkey: &Service,
    variables: &Variables,
    time: Duration,
) -> Result<(), StartError> {
    let trial = ComponentInstances {
        variables: Arc::new(LiveVariables::new(variables.clone())),
        metrics: None,
        ..latchkey.instances.clone()
    };
    let (queue, jobs) = worker::queue();
    let request = question()?;
    // The instance ends with its queue.
    let ask = async move { queue.request(request, time).await };
    let ((), answer) = tokio::join!(worker::run(Arc::new(trial), jobs), ask);
    judge(answer).await
}

/// A request that a component answers with 503 if its configuration cannot work.
fn question() -> Result<http::Request<RequestBody>, StartError> {
    http::Request::get("http://localhost/api/v1alpha/token")
        .header(http::header::HOST, "localhost")
        .body(RequestBody::empty())
        .map_err(|error| StartError::Failed(error.to_string()))
}

/// Fails if the component has not answered, or says that its configuration cannot work.
async fn judge(answer: Result<Answer, Failure>) -> Result<(), StartError> {
    let response = answer.map_err(|failure| StartError::Failed(failure.to_string()))?;
    if response.status() != http::StatusCode::SERVICE_UNAVAILABLE {
        return Ok(());
    }
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| StartError::Failed(error.to_string()))?;
    match serde_json::from_slice::<Refusal>(&body.to_bytes()) {
        Ok(refusal) if matches!(&*refusal.code, "not_configured" | "misconfigured") => {
            Err(StartError::Configuration(refusal.message))
        }
        // Another failure may pass: the server starts, and each client is told.
        _ => Ok(()),
    }
}

/// What is read of the component's error.
#[derive(serde::Deserialize)]
struct Refusal {
    code: String,
    message: String,
}
