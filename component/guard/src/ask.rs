//! Asks Latchkey whether a token is good.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use spin_sdk::wasip3::wit_bindgen::StreamResult;
use spin_sdk::wasip3::wit_future;

use latchkey_component::guard::Endpoint;

use crate::Refusal;
use crate::answer;

/// How long Latchkey may take for its answer and the body of it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of the body of a refusal.
const MAX_BODY: usize = 16 << 10;

/// How much of a body is read at a time.
const CHUNK: usize = 1 << 10;

/// The headers of the answer that the token is good.
pub(crate) async fn latchkey(
    endpoint: &Endpoint,
    carriers: &HeaderMap,
) -> Result<HeaderMap, Refusal> {
    let answer = pin!(answer(endpoint, carriers));
    match select(answer, pin!(crate::sleep(TIMEOUT))).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => {
            let secs = TIMEOUT.as_secs();
            Err(unknown(format!("no answer within {secs} seconds")))
        }
    }
}

async fn answer(endpoint: &Endpoint, carriers: &HeaderMap) -> Result<HeaderMap, Refusal> {
    // The headers say all of a good token, so that Latchkey need not send a body. A refusal goes to the client with its body.
    let mut response = send(endpoint, carriers, &Method::Head).await?;
    if matches!(response.get_status_code(), 401 | 403) {
        response = send(endpoint, carriers, &Method::Get).await?;
    }
    let headers = headers(&response);
    match StatusCode::from_u16(response.get_status_code()) {
        Ok(StatusCode::OK) => Ok(headers),
        Ok(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
            let Some(passed_on) = answer::refusal(&headers) else {
                return Err(unknown(format!("a {status} that is not Latchkey's")));
            };
            let body = body(response).await;
            let body = body.ok_or_else(|| unknown("the body of a refusal".to_owned()))?;
            let mut refusal = http::Response::new(body);
            *refusal.status_mut() = status;
            let length = HeaderValue::from(refusal.body().len());
            let headers = refusal.headers_mut();
            for (name, value) in passed_on {
                headers.append(name, value);
            }
            headers.insert(http::header::CONTENT_LENGTH, length);
            Err(Refusal::Latchkey(Box::new(refusal)))
        }
        // Redirects, too: tokens go where they are configured to go.
        _ => Err(unknown(format!(
            "the status {}",
            response.get_status_code()
        ))),
    }
}

fn unknown(problem: String) -> Refusal {
    Refusal::Unknown(format!("Latchkey cannot be asked: {problem}"))
}

async fn send(
    endpoint: &Endpoint,
    carriers: &HeaderMap,
    method: &Method,
) -> Result<Response, Refusal> {
    let response = client::send(request(endpoint, carriers, method)?).await;
    response.map_err(|error| unknown(format!("{error:?}")))
}

fn request(endpoint: &Endpoint, carriers: &HeaderMap, method: &Method) -> Result<Request, Refusal> {
    let fields: Vec<_> = carriers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    let fields = Fields::from_list(&fields);
    // The log is not told which header it is: its value is a token.
    let fields = fields.map_err(|_| unknown("a header that is not allowed".to_owned()))?;
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(fields, None, trailers, None);
    let scheme = match endpoint.scheme == http::uri::Scheme::HTTPS {
        true => Scheme::Https,
        false => Scheme::Http,
    };
    let set = || {
        request.set_method(method)?;
        request.set_scheme(Some(&scheme))?;
        request.set_authority(Some(endpoint.authority.as_str()))?;
        request.set_path_with_query(Some(&endpoint.path_with_query))
    };
    set().map_err(|()| unknown("`latchkey_url` is refused".to_owned()))?;
    Ok(request)
}

fn headers(response: &Response) -> HeaderMap {
    let fields = response.get_headers().copy_all().into_iter();
    // What the `http` crate does not take for a header is none that is read here.
    fields
        .filter(|(name, _)| answer::is_read(name))
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((
                name,
                HeaderValue::from_maybe_shared(Bytes::from(value)).ok()?,
            ))
        })
        .fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
}

/// The whole body, unless it is too long or ends early.
async fn body(response: Response) -> Option<Bytes> {
    let (_received, result) = wit_future::new(|| Ok::<(), ErrorCode>(()));
    let (mut stream, trailers) = Response::consume_body(response, result);
    let mut body = Vec::new();
    loop {
        body.reserve(CHUNK);
        let (status, read) = stream.read(body).await;
        body = read;
        if body.len() > MAX_BODY {
            return None;
        }
        match status {
            StreamResult::Complete(_) => {}
            StreamResult::Dropped | StreamResult::Cancelled => break,
        }
    }
    trailers.await.ok()?;
    Some(body.into())
}
