//! That host and twin do the same on the wire: a twin that sent less would be no yardstick.

use std::collections::BTreeMap;

use http::header::{CONTENT_LENGTH, DATE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::client::{self, Call};
use crate::servers::Server;
use crate::users::Users;

/// Compares one answer of each kind.
pub fn check(host: &Server, twin: &Server) {
    assert_eq!(answers(host), answers(twin), "host and twin are not alike");
}

type Head = (StatusCode, BTreeMap<String, String>);

fn answers(server: &Server) -> Vec<Head> {
    let user = server.users.first();
    let stranger = Users::given("nobody:password");
    let head = |call: Call| {
        let answer = client::send(server, &call);
        (answer.status(), headers(answer.headers()))
    };
    client::fill(server, user, 0);
    let mut answers = vec![
        head(Call::list(stranger.first())),
        head(Call::list(user)),
        head(Call::create(user, "a token")),
        head(Call::create(user, " ")),
        head(Call::list(user)),
    ];
    let ids = client::ids(server, user);
    answers.push(head(Call::delete(user, &ids[0])));
    answers.push(head(Call::delete(user, &ids[0])));
    answers
}

/// The headers; of those that are never the same, only that they are there.
fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let value = |(name, value): (&_, &HeaderValue)| {
        let varies = [CONTENT_LENGTH, DATE, LOCATION].contains(name) || name == "x-request-id";
        let value = if varies { "" } else { value.to_str().unwrap() };
        (name.to_string(), value.to_owned())
    };
    headers.iter().map(value).collect()
}
