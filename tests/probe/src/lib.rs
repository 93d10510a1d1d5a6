//! A component that does what the suite asks it to, to see what a host lets it do. The last part of the path says what:
//!
//! - `fetch` sends the request on, with its body and its headers, to the URL in the header `x-to`, and answers what comes back;
//! - `variable` answers the variable that the header `x-name` names;
//! - `store` answers whether the store that it names can be opened;
//! - `echo` answers the body;
//! - anything else answers the method and the path, and the headers, a line each.

use spin_sdk::key_value::Store;
use spin_sdk::variables;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use spin_sdk::wasip3::{wit_bindgen, wit_future, wit_stream};

/// The component.
pub struct Probe;

#[cfg(target_family = "wasm")]
spin_sdk::wasip3::http::service::export!(Probe);

impl Guest for Probe {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        match path.rsplit('/').next().unwrap_or_default() {
            "fetch" => match fetch(request).await {
                Ok(response) => Ok(passed_on(response)),
                Err(code) => text(502, format!("{code:?}")),
            },
            "variable" => match variables::get(header(&request, "x-name")).await {
                Ok(value) => text(200, value),
                Err(error) => text(404, error.to_string()),
            },
            "store" => match Store::open(header(&request, "x-name")).await {
                Ok(_) => text(200, "open".to_owned()),
                Err(error) => text(403, error.to_string()),
            },
            "echo" => {
                let (_received, result) = wit_future::new(|| Ok(()));
                let (body, trailers) = Request::consume_body(request, result);
                let (response, _sent) = Response::new(Fields::new(), Some(body), trailers);
                Ok(response)
            }
            _ => {
                let mut lines = format!("{:?} {path}\n", request.get_method());
                for (name, value) in request.get_headers().copy_all() {
                    lines += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
                }
                text(200, lines)
            }
        }
    }
}

fn header(request: &Request, name: &str) -> String {
    let value = request.get_headers().get(name).into_iter().next();
    String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()
}

async fn fetch(request: Request) -> Result<Response, ErrorCode> {
    let to = header(&request, "x-to");
    let method = request.get_method();
    let headers = request.get_headers().clone();
    let _ = headers.delete("content-length");
    let (_received, result) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, result);
    let (request, _sent) = Request::new(headers, Some(body), trailers, None);
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    let (scheme, rest) = to
        .split_once("://")
        .ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = match scheme {
        "https" => Scheme::Https,
        _ => Scheme::Http,
    };
    request.set_method(&method).map_err(invalid)?;
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;
    client::send(request).await
}

fn passed_on(response: Response) -> Response {
    let status = response.get_status_code();
    let headers = response.get_headers().clone();
    let (_received, result) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, result);
    let (response, _sent) = Response::new(headers, Some(body), trailers);
    let _ = response.set_status_code(status);
    response
}

fn text(status: u16, text: String) -> Result<Response, ErrorCode> {
    let (mut writer, stream) = wit_stream::new();
    let (ended, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(stream), trailers);
    let _ = response.set_status_code(status);
    wit_bindgen::spawn(async move {
        let _ = writer.write_all(text.into_bytes()).await;
        drop(writer);
        let _ = ended.write(Ok(None)).await;
    });
    Ok(response)
}
