use super::*;
use crate::lifetime::Lifetime;
use crate::token::{Audience, Issuer, Limits, Means, Provenance};

fn token(n: u8, description: &str) -> Token {
    Token {
        id: TokenId::from_random([n; 16]),
        description: description.parse().unwrap(),
        lifetime: Lifetime::from_secs(60).unwrap(),
        issued_at: 1_000 + u64::from(n),
        issuer: None,
        limits: Limits::default(),
        retires_at: None,
        provenance: Provenance::default(),
    }
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.create(token(1, "alpha"), 10).unwrap();
    ledger.create(token(2, "beta \"β\" \\"), 10).unwrap();
    ledger.record(WriteId::from_random(0x0123_4567_89ab_cdef));
    ledger
}

#[test]
fn newest_first() {
    let descriptions: Vec<_> = ledger().tokens().iter().map(|t| t.id).collect();
    assert_eq!(
        descriptions,
        [TokenId::from_random([2; 16]), TokenId::from_random([1; 16])]
    );
}

#[test]
fn a_description_is_taken_until_its_token_is_deleted() {
    let mut ledger = ledger();
    assert_eq!(
        ledger.create(token(3, " alpha "), 10),
        Err(LedgerError::DescriptionTaken)
    );
    assert_eq!(ledger.create(token(3, "Alpha"), 10), Ok(()));
    assert_eq!(ledger.delete(token(1, "-").id), Some(token(1, "alpha")));
    assert_eq!(ledger.delete(token(1, "-").id), None);
    assert_eq!(ledger.create(token(4, "alpha"), 10), Ok(()));
}

#[test]
fn the_limit_holds() {
    let mut ledger = ledger();
    assert_eq!(
        ledger.create(token(3, "gamma"), 2),
        Err(LedgerError::LimitReached(2))
    );
    assert_eq!(ledger.create(token(3, "gamma"), 3), Ok(()));
}

#[test]
fn expired_tokens_are_kept_for_the_retention() {
    let mut ledger = ledger();
    let retention = Duration::from_secs(100);
    let at = |secs| Timestamp::new(Duration::from_secs(secs));
    ledger.expire(at(1_061 + 100), retention);
    assert_eq!(ledger.tokens().len(), 2);
    ledger.expire(at(1_061 + 101), retention);
    assert_eq!(ledger.tokens(), [token(2, "beta \"β\" \\")]);
}

#[test]
fn a_rotated_token_leaves_at_once_or_when_it_retires() {
    let mut ledger = ledger();
    let (old, new) = (token(1, "alpha"), token(3, "alpha"));
    assert_eq!(ledger.rotate(old.id, new.clone(), None, 2), Ok(()));
    assert_eq!(ledger.tokens(), [new.clone(), token(2, "beta \"β\" \\")]);
    assert_eq!(
        ledger.rotate(old.id, token(4, "alpha"), None, 2),
        Err(LedgerError::NoSuchToken)
    );

    let newer = token(4, "alpha");
    assert_eq!(
        ledger.rotate(new.id, newer.clone(), Some(1_020), 2),
        Err(LedgerError::LimitReached(2))
    );
    assert_eq!(ledger.rotate(new.id, newer.clone(), Some(1_020), 3), Ok(()));
    let retiring = Token {
        retires_at: Some(1_020),
        ..new.clone()
    };
    assert_eq!(ledger.tokens()[..2], [newer.clone(), retiring]);
    assert_eq!(
        ledger.rotate(new.id, token(5, "alpha"), None, 9),
        Err(LedgerError::AlreadyRotated)
    );
    assert_eq!(
        ledger.create(token(5, "alpha"), 9),
        Err(LedgerError::DescriptionTaken)
    );
    assert_eq!(
        Ledger::from_document(&ledger.to_document()),
        Ok(ledger.clone())
    );

    // Not kept for the retention.
    let at = |secs| Timestamp::new(Duration::from_secs(secs));
    ledger.expire(at(1_019), Duration::from_secs(100));
    assert_eq!(ledger.find(new.id).map(|token| token.id), Some(new.id));
    ledger.expire(at(1_020), Duration::from_secs(100));
    assert_eq!(ledger.find(new.id), None);
    assert_eq!(ledger.delete_all(), 2);
    assert_eq!(ledger.tokens(), []);
}

#[test]
fn write_ids_have_16_digits() {
    for (bits, hex) in [
        (0, "0000000000000000"),
        (0x0123_4567_89ab_cdef, "0123456789abcdef"),
        (u64::MAX, "ffffffffffffffff"),
    ] {
        let id = WriteId::from_random(bits);
        assert_eq!(serde_json::to_value(id).unwrap(), hex);
        assert_eq!(WriteId::try_from(hex), Ok(id));
    }
}

#[test]
fn the_last_writes_are_remembered() {
    let mut ledger = Ledger::default();
    for n in 0..=REMEMBERED_WRITES as u64 {
        ledger.record(WriteId::from_random(n));
    }
    assert!(!ledger.contains(WriteId::from_random(0)));
    assert!(ledger.contains(WriteId::from_random(1)));
    assert!(ledger.contains(WriteId::from_random(REMEMBERED_WRITES as u64)));
}

#[test]
fn the_document_is_what_the_module_says() {
    let document = r#"{"format":1,"tokens":[{"id":"02020202-0202-4202-8202-020202020202","description":"beta \"β\" \\","life":60,"iat":1002},{"id":"01010101-0101-4101-8101-010101010101","description":"alpha","life":60,"iat":1001}],"writes":["0123456789abcdef"]}"#;
    assert_eq!(String::from_utf8(ledger().to_document()).unwrap(), document);
    assert_eq!(Ledger::from_document(document.as_bytes()), Ok(ledger()));
}

#[test]
fn the_document_keeps_the_issuer() {
    let mut ledger = Ledger::default();
    for (n, audience) in [(1, None), (2, Some("api".to_owned()))] {
        let name = "https://id.example".to_owned();
        let issuer = Some(Issuer { name, audience });
        let description = format!("t{n}");
        ledger
            .create(
                Token {
                    issuer,
                    ..token(n, &description)
                },
                10,
            )
            .unwrap();
    }
    let document = ledger.to_document();
    let text = String::from_utf8(document.clone()).unwrap();
    assert!(
        text.contains(r#""iat":1002,"iss":"https://id.example","aud":"api"},"#),
        "{text}"
    );
    assert!(
        text.contains(r#""iat":1001,"iss":"https://id.example"}"#),
        "{text}"
    );
    assert_eq!(Ledger::from_document(&document), Ok(ledger));
}

#[test]
fn other_documents_are_refused() {
    for (document, error) in [
        (r#"{"format":4,"entries":[]}"#, DocumentError::Format(4)),
        (
            r#"{"format":4,"tokens":[],"writes":[]}"#,
            DocumentError::Format(4),
        ),
        (
            r#"{"format":1,"tokens":[]}"#,
            DocumentError::Malformed {
                line: 1,
                column: 24,
            },
        ),
        ("", DocumentError::Malformed { line: 1, column: 0 }),
        ("[1]", DocumentError::Malformed { line: 1, column: 3 }),
    ] {
        assert_eq!(
            Ledger::from_document(document.as_bytes()),
            Err(error),
            "{document}"
        );
    }
}

fn limited(n: u8, description: &str) -> Token {
    let audience = ["https://git.example".to_owned(), "pip".to_owned()];
    let limits = Limits {
        scope: Some("write read".parse().unwrap()),
        audience: Some(Audience::new(audience).unwrap()),
    };
    Token {
        limits,
        ..token(n, description)
    }
}

/// What the version before limits reads, member by member.
fn read_by_the_version_before(document: &[u8]) -> Result<usize, String> {
    #[derive(Deserialize)]
    struct Document {
        format: u32,
        tokens: Vec<Entry>,
        #[serde(rename = "writes")]
        _writes: Vec<WriteId>,
        #[serde(default, rename = "repeatable")]
        _repeatable: Vec<Repeatable>,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "read, and not looked at")]
    struct Entry {
        id: TokenId,
        description: String,
        life: u64,
        iat: u64,
        until: Option<u64>,
        iss: Option<String>,
        aud: Option<String>,
    }
    match serde_json::from_slice::<Document>(document) {
        Ok(document) if document.format == 1 => Ok(document.tokens.len()),
        Ok(document) => Err(format!("format {}", document.format)),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn the_version_before_limits_refuses_a_ledger_that_has_them_and_no_other() {
    let mut ledger = ledger();
    assert_eq!(read_by_the_version_before(&ledger.to_document()), Ok(2));
    ledger.create(limited(3, "gamma"), 10).unwrap();
    let document = ledger.to_document();
    let text = std::str::from_utf8(&document).unwrap();
    assert!(
        text.contains(
            r#""iat":1003,"scope":"write read","audience":["https://git.example","pip"]}"#
        ),
        "{text}"
    );
    assert_eq!(Ledger::from_document(&document), Ok(ledger.clone()));
    assert_eq!(
        read_by_the_version_before(&document),
        Err("format 2".to_owned())
    );
    // Its one limited token is gone, and so is the format.
    ledger.delete(limited(3, "-").id);
    assert_eq!(read_by_the_version_before(&ledger.to_document()), Ok(2));
}

#[test]
fn each_limit_alone_has_the_new_format() {
    let both = limited(3, "gamma").limits;
    for limits in [
        Limits {
            audience: None,
            ..both.clone()
        },
        Limits {
            scope: None,
            ..both
        },
    ] {
        let mut ledger = Ledger::default();
        let token = Token {
            limits,
            ..token(3, "gamma")
        };
        ledger.create(token, 10).unwrap();
        let document = ledger.to_document();
        assert!(document.starts_with(br#"{"format":2,"#));
        assert_eq!(Ledger::from_document(&document), Ok(ledger));
    }
}

#[test]
fn what_vouches_for_a_token_is_kept_and_older_versions_refuse_it() {
    let issuer = "https://id.example".to_owned();
    let by = Some("root".parse().unwrap());
    for (means, by, members) in [
        (Means::Proxy, None, r#""via":"proxy"}"#),
        (
            Means::Issuer(issuer),
            by.clone(),
            r#""via":{"issuer":"https://id.example"},"by":"root"}"#,
        ),
        (Means::Password, by, r#""by":"root"}"#),
    ] {
        let token = Token {
            provenance: Provenance { means, by },
            ..limited(3, "gamma")
        };
        let mut ledger = ledger();
        ledger.create(token.clone(), 10).unwrap();
        let document = ledger.to_document();
        let text = std::str::from_utf8(&document).unwrap();
        assert!(text.starts_with(r#"{"format":3,"#), "{text}");
        assert!(text.contains(members), "{text}");
        assert_eq!(Ledger::from_document(&document), Ok(ledger));

        let record = Record::new(token, Timestamp::new(Duration::from_secs(1_003)));
        let document = record.to_document();
        assert!(document.starts_with(br#"{"format":3,"#));
        assert_eq!(Record::from_document(&document), Ok(record));
    }
    assert!(Ledger::from_document(br#"{"format":3,"tokens":[{"id":"02020202-0202-4202-8202-020202020202","description":"b","life":60,"iat":1002,"via":"magic"}],"writes":[]}"#).is_err());
}

#[test]
fn one_token_is_found_in_the_document() {
    let imitation = |id: TokenId| format!(r#"x","life":1}},{{"id":"{id}","description":"y"#);
    let mut ledger = ledger();
    let first = token(7, "last");
    let tricky = token(8, &imitation(token(9, "z").id));
    ledger.create(first, 100).unwrap();
    ledger.create(tricky, 100).unwrap();
    ledger.create(limited(10, "limited"), 100).unwrap();
    ledger.record(WriteId::from_random(1));
    let document = ledger.to_document();
    let spaced = String::from_utf8(document.clone()).unwrap();
    let spaced = spaced.replace("{\"id\":", "{ \"id\": ").into_bytes();
    for document in [document, spaced] {
        for number in 0..=12 {
            let id = token(number, "any").id;
            let found = find_token(&document, id);
            assert_eq!(found, Ok(ledger.find(id).cloned()), "{number}");
        }
    }
}

#[test]
fn no_token_is_found_in_what_is_no_document() {
    let id = token(1, "Token alpha").id;
    let mut ledger = Ledger::default();
    ledger.create(token(1, "Token alpha"), 100).unwrap();
    let document = String::from_utf8(ledger.to_document()).unwrap();
    for (what, changed) in [
        ("newer", document.replace(":1,", ":9,")),
        ("cut off", document[..document.len() / 2].to_owned()),
        ("another member", document.replace("life", "lives")),
        ("nothing", String::new()),
    ] {
        let whole = Ledger::from_document(changed.as_bytes()).unwrap_err();
        let found = find_token(changed.as_bytes(), id);
        assert_eq!(found, Err(whole), "{what}");
    }
}
