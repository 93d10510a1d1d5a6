//! A small service to stand behind the guard. It answers with the request as it came: a line of method and path, and a line
//! for each header and trailer. With a path that ends with `/echo` it sends the body back instead.
//!
//! There is nothing of tokens in it.

use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use spin_sdk::wasip3::wit_bindgen::{self, StreamResult};
use spin_sdk::wasip3::{wit_future, wit_stream};

/// The component.
pub struct App;

#[cfg(target_family = "wasm")]
spin_sdk::wasip3::http::service::export!(App);

impl Guest for App {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        match path
            .split('?')
            .next()
            .unwrap_or_default()
            .ends_with("/echo")
        {
            true => Ok(echo(request)),
            false => {
                let mut text = describe(&request, &path);
                if !matches!(request.get_method(), Method::Get | Method::Head) {
                    text += &trailers(request).await;
                }
                wit_bindgen::yield_async().await;
                plain(text.into_bytes())
            }
        }
    }
}

fn describe(request: &Request, path: &str) -> String {
    let method = match request.get_method() {
        Method::Other(name) => name,
        known => format!("{known:?}").replace("Method::", "").to_uppercase(),
    };
    format!("{method} {path}\n{}", lines(&request.get_headers()))
}

fn lines(fields: &Fields) -> String {
    let line = |(name, value): (String, Vec<u8>)| {
        let value = String::from_utf8_lossy(&value).into_owned();
        format!("{name}: {value}\n")
    };
    fields.copy_all().into_iter().map(line).collect()
}

/// Reads the body to its end, behind which they are.
async fn trailers(request: Request) -> String {
    let (_received, result) = wit_future::new(|| Ok(()));
    let (mut body, trailers) = Request::consume_body(request, result);
    while let (StreamResult::Complete(_), _) = body.read(Vec::with_capacity(4 << 10)).await {}
    drop(body);
    match trailers.await {
        Ok(Some(trailers)) => lines(&trailers),
        _ => String::new(),
    }
}

fn echo(request: Request) -> Response {
    let (_received, result) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, result);
    let (response, _sent) = Response::new(Fields::new(), Some(body), trailers);
    response
}

fn plain(body: Vec<u8>) -> Result<Response, ErrorCode> {
    let length = body.len().to_string().into_bytes();
    let headers = [
        (
            "content-type".to_owned(),
            b"text/plain; charset=utf-8".to_vec(),
        ),
        ("content-length".to_owned(), length),
    ];
    let headers = Fields::from_list(&headers)
        .map_err(|_| ErrorCode::InternalError(Some("a header that is not allowed".to_owned())))?;
    let (mut writer, stream) = wit_stream::new();
    let (ended, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(headers, Some(stream), trailers);
    wit_bindgen::spawn(async move {
        // A client that went away does not read the rest.
        let _ = writer.write_all(body).await;
        drop(writer);
        let _ = ended.write(Ok(None)).await;
    });
    Ok(response)
}
