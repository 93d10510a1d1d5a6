//! Bytes that no HTTP library would send.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::client::basic;
use crate::process::PATIENCE;
use crate::response::Response;
use crate::server::{Server, User};

/// One connection.
pub struct Raw(BufReader<TcpStream>);

impl Raw {
    pub fn connect(server: &Server) -> Self {
        let stream =
            TcpStream::connect(server.authority()).expect("the server accepts a connection");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        Self(BufReader::new(stream))
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0
            .get_mut()
            .write_all(bytes.as_ref())
            .expect("the server reads");
    }

    /// Another handle on the connection, for a thread that writes.
    pub fn writer(&self) -> TcpStream {
        self.0.get_ref().try_clone().expect("a second handle")
    }

    /// Nothing more will be sent.
    pub fn end(&mut self) {
        // The server may have closed the connection already.
        let _ = self.0.get_mut().shutdown(Shutdown::Write);
    }

    /// The next response as the contract has it, to a request with this method and path.
    #[track_caller]
    pub fn response(&mut self, request: &str) -> Response {
        self.any_response(request)
            .unwrap_or_else(|| panic!("no response to {request}"))
            .checked()
    }

    /// The next response, which must be there as a whole once any of it is.
    #[track_caller]
    pub fn response_in_one_piece(&mut self, request: &str) -> Response {
        let first = self.0.fill_buf().expect("the server answers").to_vec();
        let response = self.response(request);
        assert!(
            first.ends_with(response.body.as_bytes()),
            "the head came alone: {response:?}"
        );
        response
    }

    /// The next response, the HTTP layer's own ones included; `None` where the connection was closed instead.
    #[track_caller]
    pub fn any_response(&mut self, request: &str) -> Option<Response> {
        let line = self.line()?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("not a status line: {line:?}"));
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().expect("a whole header");
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("not a header: {line:?}"));
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a header name"),
                HeaderValue::from_str(value.trim()).expect("a header value"),
            );
        }
        let mut body = Vec::new();
        if status >= 200 && !matches!(status, 204 | 304) && !request.starts_with("HEAD ") {
            let length = headers
                .get("content-length")
                .and_then(|length| length.to_str().ok()?.parse().ok());
            body.resize(
                length.unwrap_or_else(|| panic!("no Content-Length: {line} {headers:?}")),
                0,
            );
            self.0.read_exact(&mut body).expect("a whole body");
        }
        let body = String::from_utf8(body).expect("a body of UTF-8");
        Some(Response {
            request: request.to_owned(),
            status,
            headers,
            body,
        })
    }

    /// Waits until the server has closed the connection, and fails if it sends a response first.
    #[track_caller]
    pub fn closed(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => assert_eq!(String::from_utf8_lossy(&rest), ""),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
    }

    /// A line without its end; `None` where the connection has ended.
    #[track_caller]
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no line from the server: {error}"),
        }
    }
}

/// A request head: the request line, `Host`, and these further lines.
pub fn head(server: &Server, line: &str, headers: &[&str]) -> String {
    let mut head = format!("{line} HTTP/1.1\r\nHost: {}\r\n", server.authority());
    for header in headers {
        head += header;
        head += "\r\n";
    }
    head + "\r\n"
}

/// Sends `line` without body on a connection of its own and answers the response.
#[track_caller]
pub fn ask(server: &Server, line: &str, headers: &[&str]) -> Response {
    let mut raw = Raw::connect(server);
    raw.send(head(server, line, headers));
    raw.response(line)
}

impl User<'_> {
    /// The user's `Authorization` header as a line.
    pub fn authorization(&self) -> String {
        format!("Authorization: {}", basic(&self.name, &self.password))
    }
}
