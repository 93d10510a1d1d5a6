mod attacks;
mod keys;
mod trusted;

use std::time::Duration;

use super::*;
use crate::lifetime::Lifetime;
use crate::token::{Issuer, Limits, Provenance};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Header and payload of the token in the source document's example.
const EXAMPLE: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJ1c2VybmFtZSI6ImFkbWluIiwiand0X3Rva2VuX2lkIjoiYjU2OTI5ZjMtNTRmMS00ZGMyLTk5ODQtOWJiYTYxNWUyNmU2Iiwiand0X3Rva2VuX2Rlc2NyaXB0aW9uIjoiVG9rZW4gc3BlY3RlciIsImV4cCI6MTY2Mjc0MTczNSwiaWF0IjoxNjYyNzIwMTM1fQ";

fn example() -> (Username, Token) {
    let token = Token {
        id: "b56929f3-54f1-4dc2-9984-9bba615e26e6".parse().unwrap(),
        description: "Token specter".parse().unwrap(),
        lifetime: Lifetime::from_secs(21_600).unwrap(),
        issued_at: 1_662_720_135,
        issuer: None,
        limits: Limits::default(),
        retires_at: None,
        provenance: Provenance::default(),
    };
    ("admin".parse().unwrap(), token)
}

fn claims(issuer: Option<&Issuer>) -> Claims {
    let (user, token) = example();
    let issuer = issuer.cloned();
    Claims::new(&user, &Token { issuer, ..token })
}

fn at(secs: u64) -> Timestamp {
    Timestamp::new(Duration::from_secs(secs))
}

#[test]
fn the_example_of_the_source_document_byte_for_byte() {
    let token = KeySet::from_secret(SECRET).unwrap().sign(&claims(None));
    let (message, signature) = token.expose().rsplit_once('.').unwrap();
    assert_eq!(message, EXAMPLE);
    assert_eq!(signature.len(), 43);
}

#[test]
fn registered_claims_follow_the_five() {
    let mut issuer = Issuer {
        name: "https://id.example".to_owned(),
        audience: None,
    };
    let json = |issuer: &Issuer| serde_json::to_string(&claims(Some(issuer))).unwrap();
    assert!(json(&issuer).ends_with(
        r#","exp":1662741735,"iat":1662720135,"iss":"https://id.example","sub":"admin","jti":"b56929f3-54f1-4dc2-9984-9bba615e26e6"}"#
    ));
    issuer.audience = Some("api".to_owned());
    assert!(json(&issuer).ends_with(r#"e6","aud":"api"}"#));
}

#[test]
fn good_until_the_second_it_expires() {
    let keys = KeySet::from_secret(SECRET).unwrap();
    let issuer = Issuer {
        name: "me".to_owned(),
        audience: Some("you".to_owned()),
    };
    for claims in [claims(None), claims(Some(&issuer))] {
        let token = keys.sign(&claims);
        assert_eq!(keys.verify(token.expose(), at(1_662_741_734)), Ok(claims));
        assert_eq!(
            keys.verify(token.expose(), at(1_662_741_735)),
            Err(InvalidToken)
        );
    }
}

#[test]
fn what_we_did_not_sign_is_invalid() {
    let keys = KeySet::from_secret(SECRET).unwrap();
    let token = keys.sign(&claims(None)).expose().to_owned();
    let other = KeySet::from_secret(b"another secret of thirty-two byte").unwrap();
    // {"typ":"JWT","alg":"none"} and {"typ":"JWT","alg":"HS512"}
    let none = token.replacen(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9",
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0",
        1,
    );
    let hs512 = token.replacen(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9",
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9",
        1,
    );
    for bad in [
        "",
        "..",
        EXAMPLE,
        &format!("{EXAMPLE}."),
        &token[..token.len() - 1],
        &format!("{token}="),
        &format!("{token}.x"),
        &none,
        &hs512,
        other.sign(&claims(None)).expose(),
    ] {
        assert_eq!(
            keys.verify(bad, at(1_662_720_135)),
            Err(InvalidToken),
            "{bad}"
        );
    }
}
