//! Request targets with bytes that no URI has: `<`, `"`, a backtick, or what is not ASCII.
//!
//! Proxies pass on what their clients send, and ask about it below `/verify`. The HTTP library refuses such a target, before
//! anything here sees it. So these bytes are percent-encoded on the way to it, as a client should have done.
//!
//! To know where a request line begins, the messages of a connection are followed from the first byte on. That is simple where
//! they have no body, or one of a plain `Content-Length`, as all have that proxies send here. From any other on, a connection is
//! left as it is: a byte of a header or of a body is never changed.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection whose request targets are URIs when they are read.
pub(super) struct Encoded<S> {
    stream: S,
    messages: Messages,
    /// What was read and found no room.
    rest: Vec<u8>,
}

impl<S> Encoded<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            messages: Messages::default(),
            rest: Vec::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Encoded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
            match this.messages.encoded(&buffer.filled()[before..]) {
                None => return Poll::Ready(Ok(())),
                Some(encoded) => {
                    this.rest = encoded;
                    buffer.set_filled(before);
                }
            }
        }
        let fits = buffer.remaining().min(this.rest.len());
        let rest = this.rest.split_off(fits);
        buffer.put_slice(&mem::replace(&mut this.rest, rest));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Encoded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

/// As much of a header line as has to be looked at: longer than any that counts here.
const LINE: usize = 64;

/// Follows the requests of a connection. What is no HTTP is followed in any way: the HTTP library refuses it, and closes.
#[derive(Default)]
struct Messages {
    at: At,
    /// The beginning of the current line of a header.
    line: Vec<u8>,
    /// What the header says of the body.
    body: Body,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Empty lines, which the library skips, or the method.
    #[default]
    Start,
    Target,
    /// The rest of the request line, then the lines of the header.
    Version,
    Header,
    /// So many bytes of a body are left.
    Body(u64),
    /// Nobody knows.
    Lost,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Body {
    #[default]
    None,
    Length(u64),
    Unknown,
}

impl Messages {
    /// The next `bytes` of the connection with their targets encoded; `None` if nothing had to be.
    fn encoded(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut encoded: Option<Vec<u8>> = None;
        let mut index = 0;
        loop {
            let passed = self.pass(&bytes[index..]);
            if let Some(encoded) = &mut encoded {
                encoded.extend_from_slice(&bytes[index..index + passed]);
            }
            index += passed;
            let Some(&byte) = bytes.get(index) else {
                return encoded;
            };
            let is_of_target = self.at == At::Target;
            self.step(byte);
            if is_of_target && is_refused(byte) {
                let encoded = encoded.get_or_insert_with(|| bytes[..index].to_vec());
                encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
            } else if let Some(encoded) = &mut encoded {
                encoded.push(byte);
            }
            index += 1;
        }
    }

    /// Passes over what comes before the next byte that may begin another part of the message, and returns its length.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let rest_of_line = || memchr(b'\n', bytes).unwrap_or(bytes.len());
        match self.at {
            At::Start | At::Target => 0,
            At::Version => rest_of_line(),
            At::Header => {
                let length = rest_of_line();
                let room = LINE - self.line.len();
                self.line.extend_from_slice(&bytes[..length.min(room)]);
                length
            }
            At::Body(left) => {
                let length = (left - 1).min(bytes.len() as u64);
                self.at = At::Body(left - length);
                length as usize
            }
            At::Lost => bytes.len(),
        }
    }

    fn step(&mut self, byte: u8) {
        self.at = match (self.at, byte) {
            (At::Start, b' ') => At::Target,
            (At::Target, b' ') => At::Version,
            (At::Target | At::Version, b'\n') => At::Header,
            (At::Header, b'\n') => self.line_ended(),
            // The last one: `pass` has passed over the others.
            (At::Body(_), _) => At::Start,
            (at, _) => at,
        };
    }

    fn line_ended(&mut self) -> At {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if line.is_empty() {
            self.line.clear();
            return match mem::take(&mut self.body) {
                Body::None | Body::Length(0) => At::Start,
                Body::Length(length) => At::Body(length),
                Body::Unknown => At::Lost,
            };
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("content-length") {
            self.body = match (self.body, length(value)) {
                (Body::None, Some(length)) if line.len() < LINE - 1 => Body::Length(length),
                _ => Body::Unknown,
            };
        } else if is("transfer-encoding") || is("expect") || is("upgrade") {
            self.body = Body::Unknown;
        }
        self.line.clear();
        At::Header
    }
}

/// The value of a `Content-Length`, with its colon: digits and nothing else.
fn length(value: &[u8]) -> Option<u64> {
    let digits = value.strip_prefix(b":")?.trim_ascii();
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| all_digits)?
        .parse()
        .ok()
}

/// Whether a URI of the library cannot hold this byte of a target. What can be no part of a request line is left to it.
fn is_refused(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

    use super::*;

    /// In two reads, wherever the first ends, and byte by byte.
    fn check(sent: &[u8], expected: &[u8]) {
        let in_two = (0..sent.len()).map(|end| vec![&sent[..end], &sent[end..]]);
        let byte_by_byte = sent.chunks(1).collect();
        for parts in in_two.chain([byte_by_byte]) {
            let mut messages = Messages::default();
            let mut seen = Vec::new();
            let first = parts[0].len();
            for part in parts {
                seen.extend(messages.encoded(part).unwrap_or_else(|| part.to_vec()));
            }
            assert_eq!(
                seen.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "the first read has {first} bytes"
            );
        }
    }

    const BAD: &str = "GET /a<b>`\"\u{e9} HTTP/1.1\r\nHost: <`>\r\n\r\n";
    const GOOD: &str = "GET /a%3Cb%3E%60%22%C3%A9 HTTP/1.1\r\nHost: <`>\r\n\r\n";

    #[test]
    fn a_target_is_encoded_and_nothing_else() {
        for (between, followed) in [
            ("", true),
            ("\r\n\r\n", true),
            ("POST / HTTP/1.1\nContent-Length: 0\n\n", true),
            (
                "POST /?x=< HTTP/1.1\r\ncontent-length:10\r\nX: GET /< \r\n\r\nGET /<a> \n",
                true,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nGET <",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nGET <",
                false,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nGET <", false),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n < \r\n0\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n <",
                false,
            ),
        ] {
            let as_good = between.replace("/?x=<", "/?x=%3C");
            let last = if followed { GOOD } else { BAD };
            let sent = [BAD, between, BAD].concat();
            let expected = [GOOD, &as_good, last].concat();
            check(sent.as_bytes(), expected.as_bytes());
        }
    }

    #[test]
    fn a_length_that_is_not_seen_whole_is_unknown() {
        let long = format!(
            "POST / HTTP/1.1\r\nContent-Length:{}5\r\n\r\nGET <",
            " ".repeat(LINE)
        );
        check((long.clone() + BAD).as_bytes(), (long + BAD).as_bytes());
    }

    #[test]
    fn bytes_that_are_no_utf_8() {
        check(b"GET /\xff?\xfe HTTP/1.1\n\n", b"GET /%FF?%FE HTTP/1.1\n\n");
    }

    #[test]
    fn every_printable_byte_is_part_of_a_uri_then() {
        for byte in (b'!'..=b'~').chain(128..=255) {
            let line = [b"GET /", &[byte][..], b"?", &[byte], b" HTTP/1.1\n"].concat();
            let encoded = Messages::default().encoded(&line).unwrap_or(line);
            let target = encoded
                .split(|byte| *byte == b' ')
                .nth(1)
                .expect("a target");
            assert!(PathAndQuery::try_from(target).is_ok(), "{byte:#x}");
        }
    }
}
