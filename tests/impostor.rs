//! Servers that are none, or that fail on purpose: each request is answered as the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::server::Server;

/// Answers requests one after the other, and keeps them.
pub struct Impostor {
    /// `http://127.0.0.1:25441`.
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Impostor {
    /// Sends what `answer` makes of the number of a request, from 0, and the request; for `None` it closes the connection.
    pub fn new(answer: impl Fn(usize, &str) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let mut connection = connection.expect("a connection");
                let request = message(&connection);
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push(request.clone());
                drop(kept);
                if let Some(answer) = answer(number, &request) {
                    // A client that has heard enough may be gone.
                    let _ = connection.write_all(answer.as_bytes());
                }
            }
        });
        Self {
            url: format!("http://{address}"),
            requests,
        }
    }

    /// Answers everything with this status and this body.
    pub fn answering(status: &str, headers: &str, body: &str) -> Self {
        let answer = answer(status, headers, body);
        Self::new(move |_, _| Some(answer.clone()))
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An answer after which the connection ends. `headers` are whole lines.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Sends a request as it is to a server, and reads the answer.
pub fn forward(server: &Server, request: &str) -> String {
    let mut connection = TcpStream::connect(server.authority()).expect("a connection");
    connection
        .write_all(request.as_bytes())
        .expect("a server that reads");
    message(&connection)
}

/// A whole message, with a body of the length that it says.
fn message(connection: &TcpStream) -> String {
    let mut reader = BufReader::new(connection);
    let mut text = String::new();
    let mut length = 0;
    loop {
        let start = text.len();
        let read = reader.read_line(&mut text).expect("a header of UTF-8");
        let line = text[start..].trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if read == 0 || line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a whole body");
    text + &String::from_utf8(body).expect("a body of UTF-8")
}
