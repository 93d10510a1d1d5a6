//! Request bodies: size, media type, JSON, fields.

use serde_json::json;

use crate::cases::Cases;
use crate::raw::{Raw, head};
use crate::server::{Server, TOKENS, User};
use crate::show::UNKNOWN;

/// The most bytes that a body may have.
const LIMIT: usize = 16 * 1024;

#[test]
fn up_to_the_limit() {
    let user = Server::shared().user();
    for (description, length) in [("at the limit", LIMIT), ("one less", LIMIT - 1)] {
        user.post(padded(description, length)).expect(201);
    }
    user.post(padded("one more", LIMIT + 1))
        .refused(413, "body_too_large");
    assert_eq!(user.ids().len(), 2);
}

#[test]
fn a_declared_length_above_the_limit_is_refused_without_reading() {
    let user = Server::shared().user();
    let mut cases = Cases::default();
    for length in ["16385", "1000000", "9223372036854775807"] {
        let mut raw = Raw::connect(user.server);
        // Not one byte of the body is sent.
        raw.send(post_head(
            &user,
            &[
                "Content-Type: application/json",
                &format!("Content-Length: {length}"),
            ],
        ));
        let response = raw.response(&format!("POST {TOKENS}"));
        cases.check(
            length,
            response.outcome(),
            (413, "body_too_large".to_owned()),
        );
    }
}

#[test]
fn a_client_that_asks_first_never_sends_the_body() {
    let user = Server::shared().user();
    let expect = |headers: &[&str]| {
        let mut raw = Raw::connect(user.server);
        raw.send(post_head(
            &user,
            &[headers, &["Expect: 100-continue"]].concat(),
        ));
        raw.response(&format!("POST {TOKENS}"))
    };
    expect(&["Content-Type: application/json", "Content-Length: 16385"])
        .refused(413, "body_too_large");
    expect(&["Content-Type: text/plain", "Content-Length: 100"])
        .refused(415, "unsupported_media_type");

    let body = padded("asked first", 200);
    let mut raw = Raw::connect(user.server);
    let length = format!("Content-Length: {}", body.len());
    raw.send(post_head(
        &user,
        &[
            "Content-Type: application/json",
            &length,
            "Expect: 100-continue",
        ],
    ));
    let request = format!("POST {TOKENS}");
    assert_eq!(raw.any_response(&request).expect("an answer").status, 100);
    raw.send(body);
    raw.response(&request).expect(201);
    // The connection is still open: the body was asked for.
    let request = format!("GET {TOKENS}");
    raw.send(head(user.server, &request, &[&user.authorization()]));
    raw.response(&request).expect(200);
}

#[test]
fn chunks_above_the_limit_are_refused_before_their_end() {
    let user = Server::shared().user();
    let mut raw = Raw::connect(user.server);
    raw.send(post_head(
        &user,
        &[
            "Content-Type: application/json",
            "Transfer-Encoding: chunked",
        ],
    ));
    let body = padded("chunked", LIMIT + 1);
    for chunk in body.as_bytes().chunks(4096) {
        raw.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    }
    // No last chunk: the server must not wait for it.
    raw.response(&format!("POST {TOKENS}"))
        .refused(413, "body_too_large");
    user.list().refused(404, "no_tokens");
}

#[test]
fn chunks_up_to_the_limit() {
    let user = Server::shared().user();
    for (description, size) in [("large chunks", 16_000), ("small chunks", 100)] {
        let body = padded(description, LIMIT);
        let mut raw = Raw::connect(user.server);
        raw.send(post_head(
            &user,
            &[
                "Content-Type: application/json",
                "Transfer-Encoding: chunked",
            ],
        ));
        for chunk in body.as_bytes().chunks(size) {
            raw.send(
                [
                    format!("{:X};ignored=1\r\n", chunk.len()).as_bytes(),
                    chunk,
                    b"\r\n",
                ]
                .concat(),
            );
        }
        raw.send("0\r\nX-Trailer: ignored\r\n\r\n");
        raw.response(&format!("POST {TOKENS}")).expect(201);
    }
}

#[test]
fn a_client_that_sends_all_of_a_large_body_still_reads_the_answer() {
    let user = Server::shared().user();
    user.post(padded("large", 64 * 1024))
        .refused(413, "body_too_large");

    // More than any buffer between the two holds: the server answers while the client still writes.
    let body = padded("huge", 8 << 20);
    let mut raw = Raw::connect(user.server);
    let length = format!("Content-Length: {}", body.len());
    let head = post_head(&user, &["Content-Type: application/json", &length]);
    let mut writer = raw.writer();
    let writing = std::thread::spawn(move || {
        use std::io::Write;
        // The server may hang up on it, and should.
        let _ = writer
            .write_all(head.as_bytes())
            .and_then(|()| writer.write_all(body.as_bytes()));
    });
    raw.response(&format!("POST {TOKENS}"))
        .refused(413, "body_too_large");
    drop(raw);
    writing.join().expect("the writer ends");
    user.list().refused(404, "no_tokens");
}

#[test]
fn media_types() {
    let user = Server::shared().user();
    #[rustfmt::skip]
    let table: &[(&[&str], bool)] = &[
        (&["Content-Type: application/json"], true),
        (&["content-type:application/json"], true),
        (&["Content-Type: Application/JSON"], true),
        (&["Content-Type: application/json; charset=utf-8"], true),
        (&["Content-Type: application/json;charset=UTF-8"], true),
        (&["Content-Type: application/json ; charset=\"utf-8\""], true),
        (&["Content-Type: application/json; profile=x; charset=utf-8"], true),
        (&[], false),
        (&["Content-Type:"], false),
        (&["Content-Type: application"], false),
        (&["Content-Type: application/"], false),
        (&["Content-Type: json"], false),
        (&["Content-Type: ;application/json"], false),
        (&["Content-Type: text/plain"], false),
        (&["Content-Type: text/json"], false),
        (&["Content-Type: text/plain; charset=application/json"], false),
        (&["Content-Type: application/x-www-form-urlencoded"], false),
        (&["Content-Type: multipart/form-data; boundary=x"], false),
        (&["Content-Type: application/octet-stream"], false),
        (&["Content-Type: application/jsonp"], false),
        (&["Content-Type: application/json5"], false),
        (&["Content-Type: application/json-patch+json"], false),
        (&["Content-Type: application/vnd.api+json"], false),
        (&["Content-Type: x-application/json"], false),
        (&["Content-Type: application/*"], false),
        (&["Content-Type: */*"], false),
        (&["Accept: application/json"], false),
    ];
    let mut cases = Cases::default();
    for (number, (headers, accepted)) in table.iter().enumerate() {
        let body = padded(&format!("Token {number}"), 200);
        let length = format!("Content-Length: {}", body.len());
        let mut raw = Raw::connect(user.server);
        raw.send(post_head(&user, &[*headers, &[length.as_str()]].concat()) + &body);
        let expected = if *accepted {
            (201, "")
        } else {
            (415, "unsupported_media_type")
        };
        let seen = raw.response(&format!("POST {TOKENS}")).outcome();
        cases.check(headers, (seen.0, seen.1.as_str()), expected);
    }
    drop(cases);
    assert_eq!(
        user.ids().len(),
        table.iter().filter(|(_, accepted)| *accepted).count()
    );
}

#[test]
fn malformed_json() {
    let user = Server::shared().user();
    let good = r#"{"jwt_token_description":"Token","jwt_token_life":360}"#;
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let table: &[&[u8]] = &[
        b"",
        b" ",
        b"{",
        b"}",
        b"{}{}",
        b"{,}",
        b"null",
        b"true",
        b"360",
        b"\"Token\"",
        b"[]",
        b"[{\"jwt_token_description\":\"Token\",\"jwt_token_life\":360}]",
        b"jwt_token_description=Token&jwt_token_life=360",
        b"{'jwt_token_description':'Token','jwt_token_life':360}",
        b"{jwt_token_description:\"Token\",jwt_token_life:360}",
        b"{\"jwt_token_description\":\"Token\",\"jwt_token_life\":360,}",
        b"{\"jwt_token_description\":\"Token\" \"jwt_token_life\":360}",
        b"{\"jwt_token_description\":\"Token\",\"jwt_token_life\":360}x",
        b"{\"jwt_token_description\":\"Token\",\"jwt_token_life\":360",
        b"{\"jwt_token_description\":\"Token\",\"jwt_token_life\":0360}",
        b"{\"jwt_token_description\":\"Token\",\"jwt_token_life\":+360}",
        b"{\"jwt_token_description\":\"Token\",\"jwt_token_life\":.5}",
        b"{\"jwt_token_description\":\"Token\",\"jwt_token_life\":NaN}",
        b"{\"jwt_token_description\":\"Token\",\"jwt_token_life\":Infinity}",
        b"{\"jwt_token_description\":\"Token\",/* six hours */\"jwt_token_life\":360}",
        b"{\"jwt_token_description\":\"To\nken\",\"jwt_token_life\":360}",
        b"{\"jwt_token_description\":\"To\\xken\",\"jwt_token_life\":360}",
        b"{\"jwt_token_description\":\"To\\ud800ken\",\"jwt_token_life\":360}",
        b"{\"jwt_token_description\":\"To\xFFken\",\"jwt_token_life\":360}",
        b"{\"jwt_token_description\":\"Token\",\"jwt_token_life\":360,\"unknown\":\"\xC3\x28\"}",
        b"{\"jwt_token_description\":\"Token\",\"jwt_token_life\":360,\"unknown\":nil}",
        &utf16,
    ];
    let mut cases = Cases::default();
    for body in table {
        let refused = user.post(*body).outcome();
        cases.check(
            String::from_utf8_lossy(body),
            refused,
            (400, "malformed_json".to_owned()),
        );
    }
    // Nested deeper than any stack of a parser.
    let deep = format!(r#"{{"unknown":{}"#, "[".repeat(LIMIT - 20));
    cases.check(
        "deep nesting",
        user.post(deep).outcome(),
        (400, "malformed_json".to_owned()),
    );
    drop(cases);
    user.list().refused(404, "no_tokens");
}

#[test]
fn missing_fields() {
    let user = Server::shared().user();
    let mut cases = Cases::default();
    for (body, field) in [
        (r#"{"jwt_token_life":360}"#, "jwt_token_description"),
        (r#"{"jwt_token_description":"Token"}"#, "jwt_token_life"),
        (
            r#"{"jwt_token_description":"Token","JWT_TOKEN_LIFE":360}"#,
            "jwt_token_life",
        ),
        (
            r#"{"jwt_token_description":"Token","life":360}"#,
            "jwt_token_life",
        ),
        ("{}", "jwt_token_"),
    ] {
        let refused = user.post(body);
        cases.check(body, refused.outcome(), (400, "invalid_field".to_owned()));
        cases.check(body, refused.message().contains(field), true);
    }
    drop(cases);
    user.list().refused(404, "no_tokens");
}

#[test]
fn unknown_fields_are_refused() {
    let user = Server::shared().user();
    let mut cases = Cases::default();
    for (name, value) in [
        ("jwt_token_scopes", json!("read")),
        ("jwt_token_id", json!(UNKNOWN)),
        ("username", json!("nobody")),
        ("exp", json!(1)),
        ("jwt_token_remaining_life", json!(null)),
        ("Jwt_Token_Scope", json!("read")),
        ("", json!({"nested": [1, 2.5, {"deeper": true}]})),
    ] {
        let mut body = json!({"jwt_token_description": "Token", "jwt_token_life": 360});
        body[name] = value;
        let refused = user.post(body.to_string());
        cases.check(name, refused.outcome(), (400, "unknown_field".to_owned()));
        let named = refused.message().contains(&format!("\"{name}\""));
        cases.check(name, named, true);
    }
    drop(cases);
    user.list().refused(404, "no_tokens");
}

/// As in Python's and in every browser's JSON.
#[test]
fn the_last_of_two_fields_counts() {
    let user = Server::shared().user();
    let body = r#"{"jwt_token_life":null,"jwt_token_description":"first","jwt_token_description":"last","jwt_token_life":360}"#;
    let created = user.post(body).expect(201);
    assert_eq!(created.text("jwt_token_description"), "last");
    assert_eq!(created.json()["jwt_token_life"], 360);
}

#[test]
fn json_in_any_writing() {
    let user = Server::shared().user();
    for (body, description) in [
        (
            "\r\n\t {\"jwt_token_life\" :\t\"6m\" , \"jwt_token_description\": \"order\" } \n",
            "order",
        ),
        (
            r#"{"jwt_token_descr\u0069ption":"\u00e9\ud83d\udd11\/","jwt_token_\u006cife":360}"#,
            "é🔑/",
        ),
    ] {
        assert_eq!(
            user.post(body).expect(201).text("jwt_token_description"),
            description
        );
    }
}

#[test]
fn bodies_of_other_methods_are_ignored() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let mut raw = Raw::connect(user.server);
    // On one connection: a body that was not skipped would be taken for the next request.
    for (line, status) in [
        (format!("GET {TOKENS}"), 200),
        (format!("GET {TOKENS}/{}", issued.id), 200),
        (format!("DELETE {TOKENS}/{}", issued.id), 200),
        (format!("GET {TOKENS}"), 404),
    ] {
        raw.send(
            head(
                user.server,
                &line,
                &[&user.authorization(), "Content-Length: 13"],
            ) + "{ not json \r\n",
        );
        raw.response(&line).expect(status);
    }
}

/// A good body of exactly `length` bytes.
fn padded(description: &str, length: usize) -> String {
    let body = format!(r#"{{"jwt_token_description":"{description}","jwt_token_life":360}}"#);
    let padding = " ".repeat(length - body.len());
    body + &padding
}

fn post_head(user: &User<'_>, headers: &[&str]) -> String {
    head(
        user.server,
        &format!("POST {TOKENS}"),
        &[&[user.authorization().as_str()], headers].concat(),
    )
}
