//! Hands a request on. The response passes as a handle: the guard does not touch it.

use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use spin_sdk::wasip3::wit_bindgen::{self, StreamReader, StreamResult, StreamWriter};
use spin_sdk::wasip3::{wit_future, wit_stream};

use crate::Refusal;
use crate::answer::Identity;
use crate::bindings::wasi::http0_3_0::handler;
use crate::request::is_misleading;

/// How much of a body is on its way at a time.
const CHUNK: usize = 32 << 10;

/// The headers for the application. A copy keeps what may not be set anew, such as `Host`.
pub(crate) fn headers(
    headers: &Fields,
    removed: &[&str],
    identity: Option<&Identity>,
) -> Result<Fields, ErrorCode> {
    // Whatever fails ends the request: the application must not get what it would trust.
    let failed = |_| ErrorCode::InternalError(Some("a header cannot be replaced".to_owned()));
    let headers = headers.clone();
    for name in removed {
        headers.delete(name).map_err(failed)?;
    }
    for (name, value) in identity.iter().flat_map(|identity| identity.headers()) {
        headers.append(name, value.as_bytes()).map_err(failed)?;
    }
    Ok(headers)
}

/// The application's response to `request` with these headers.
pub(crate) async fn on(
    request: Request,
    method: Method,
    headers: Fields,
    has_body: bool,
) -> Result<Response, ErrorCode> {
    let path_with_query = request.get_path_with_query();
    let scheme = request.get_scheme();
    let authority = request.get_authority();
    let (trailers_writer, passed_on) = wit_future::new(|| Ok(None));
    let (request, _sent) = if has_body {
        let (_received, result) = wit_future::new(|| Ok(()));
        let (body, trailers) = Request::consume_body(request, result);
        let (mut writer, copy) = wit_stream::new();
        wit_bindgen::spawn(async move {
            copy_body(body, &mut writer).await;
            drop(writer);
            let trailers = trailers
                .await
                .and_then(|trailers| trailers.map(clean).transpose());
            // An application that has answered need not have read them.
            let _ = trailers_writer.write(trailers).await;
        });
        Request::new(headers, Some(copy), passed_on, None)
    } else {
        Request::new(headers, None, passed_on, None)
    };
    let set = || {
        // `GET` is the default.
        if !matches!(method, Method::Get) {
            request.set_method(&method)?;
        }
        request.set_path_with_query(path_with_query.as_deref())?;
        request.set_scheme(scheme.as_ref())?;
        request.set_authority(authority.as_deref())
    };
    // Such as a port that is no number.
    if set().is_err() {
        return crate::refuse(Refusal::Target).await;
    }
    handler::handle(request).await
}

/// Copies a body, as fast as it is read. To hand on the body itself would hand on its trailers, too, before they are cleaned:
/// wasmtime takes the two for one.
async fn copy_body(mut body: StreamReader<u8>, writer: &mut StreamWriter<u8>) {
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        let (status, read) = body.read(chunk).await;
        let rest = writer.write_all(read).await;
        // An application that wants no more has dropped its end.
        if !rest.is_empty() || !matches!(status, StreamResult::Complete(_)) {
            return;
        }
        chunk = rest;
        chunk.reserve(CHUNK);
    }
}

/// Some servers take trailers for headers.
fn clean(trailers: Fields) -> Result<Fields, ErrorCode> {
    let names = trailers.copy_all().into_iter().map(|(name, _)| name);
    let names: Vec<_> = names.filter(|name| is_misleading(name)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    headers(&trailers, &names, None)
}
