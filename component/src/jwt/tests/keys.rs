//! Key sets: which key signs, which verify, and which are refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

pub(super) const OLD: &str =
    r#"{"kty":"oct","kid":"old","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#;
const NEW: &str = r#"{"kty":"oct","k":"c2VjcmV0IG51bWJlciB0d28sIDMyIGJ5dGVzIGxvbmc"}"#;

/// RFC 8037, appendix A.1.
pub(super) const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// RFC 8037, appendix A.2.
pub(super) const ED25519_PUBLIC: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// RFC 7517, appendix A.2.
pub(super) const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","use":"sig","kid":"1"}"#;

pub(super) fn set(keys: &[&str]) -> KeySet {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
        .parse()
        .unwrap()
}

fn header(token: &SignedToken) -> String {
    let header = token.expose().split('.').next().unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

fn kid(token: &SignedToken) -> Option<String> {
    serde_json::from_str::<Header>(&header(token)).unwrap().kid
}

#[test]
fn the_first_key_signs_and_all_verify() {
    let now = at(1_662_720_135);
    let (one, both) = (set(&[OLD]), set(&[NEW, OLD]));

    let before = one.sign(&claims(None));
    assert_eq!(kid(&before), None);
    assert!(both.verify(before.expose(), now).is_ok());

    let after = both.sign(&claims(None));
    // SHA-256 of {"k":"c2Vj…","kty":"oct"}
    let thumbprint = kid(&after).unwrap();
    assert_eq!(thumbprint.len(), 43);
    assert!(both.verify(after.expose(), now).is_ok());
    assert!(one.verify(after.expose(), now).is_err());
    assert_eq!(
        kid(&set(&[OLD, NEW]).sign(&claims(None))).as_deref(),
        Some("old")
    );
}

#[test]
fn every_order_of_algorithms() {
    let now = at(1_662_720_135);
    let keys = [OLD, ED25519, P256];
    for first in keys {
        let alone = set(&[first]);
        let mut rotated = vec![first];
        rotated.extend(keys.iter().filter(|key| **key != first));
        let all = set(&rotated);
        rotated.reverse();
        for signed in [alone.sign(&claims(None)), all.sign(&claims(None))] {
            for keys in [&alone, &all, &set(&rotated)] {
                assert_eq!(keys.verify(signed.expose(), now), Ok(claims(None)));
            }
        }
        // Deterministic: a repeated creation gives the same token.
        assert_eq!(all.sign(&claims(None)), all.sign(&claims(None)));
    }
}

#[test]
fn headers_say_which_key() {
    for (key, expected) in [
        (OLD, r#"{"typ":"JWT","alg":"HS256"}"#),
        (
            // The thumbprint is that of RFC 8037, appendix A.3.
            ED25519,
            r#"{"typ":"JWT","alg":"EdDSA","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}"#,
        ),
        (P256, r#"{"typ":"JWT","alg":"ES256","kid":"1"}"#),
    ] {
        assert_eq!(header(&set(&[key]).sign(&claims(None))), expected);
    }
}

/// RFC 8037, appendix A.4.
#[test]
fn the_example_of_ed25519() {
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert_eq!(
        set(&[ED25519]).signature(message),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

/// RFC 6979, appendix A.2.5, with SHA-256; of s there, and here, the lower of the two.
#[test]
fn the_example_of_es256() {
    let key = r#"{"kty":"EC","crv":"P-256","d":"ya-p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyE","x":"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y","y":"eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"}"#;
    let signature = URL_SAFE_NO_PAD
        .decode(set(&[key]).signature(b"sample"))
        .unwrap();
    let hex: String = signature.iter().map(|byte| format!("{byte:02X}")).collect();
    let (r, s) = hex.split_at(64);
    assert_eq!(
        r,
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    );
    // n less F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    assert_eq!(
        s,
        "0834E36AD29A83BF2BC9385E491D6099C8FDF9D1ED67AA7EA5F51F93782857A9"
    );
}

#[test]
fn only_public_keys_are_published() {
    let json = |keys: &[&str]| serde_json::to_string(&set(keys).public()).unwrap();
    assert_eq!(json(&[OLD, NEW]), r#"{"keys":[]}"#);
    assert_eq!(
        json(&[OLD, P256, ED25519]),
        concat!(
            r#"{"keys":[{"kty":"EC","use":"sig","alg":"ES256","kid":"1","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},"#,
            r#"{"kty":"OKP","use":"sig","alg":"EdDSA","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#
        )
    );
}

#[test]
fn a_public_key_verifies_what_its_private_key_signed() {
    let now = at(1_662_720_135);
    let signed = set(&[ED25519]).sign(&claims(None));
    let retired = set(&[P256, ED25519_PUBLIC]);
    assert!(retired.verify(signed.expose(), now).is_ok());
}

#[test]
fn members_that_are_accepted() {
    let with = |key: &str, members: &str| key.replacen('{', &format!("{{{members},"), 1);
    for key in [
        with(
            OLD,
            r#""alg":"HS256","use":"sig","key_ops":["sign","verify"]"#,
        ),
        with(ED25519, r#""alg":"EdDSA","key_ops":["sign"]"#),
        with(ED25519, r#""alg":"Ed25519","x5c":[{}],"unknown":null"#),
        with(P256, r#""alg":"ES256","key_ops":["verify","sign"]"#),
    ] {
        assert!(set(&[&key]).verify("..", at(0)).is_err());
        // One that signed may stay in its place as it is.
        set(&[NEW, &key]);
    }
    set(&[NEW, &with(ED25519_PUBLIC, r#""key_ops":["verify"]"#)]);
}

#[test]
fn key_sets_that_cannot_work_are_refused() {
    for (text, message) in [
        ("short", "an HS256 secret must have at least 32 bytes"),
        (
            "0123456789abcdef0123456789abcde ",
            "an HS256 secret must have at least 32 bytes",
        ),
        (
            r#"[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]"#,
            "is neither a JWK Set nor an HS256 secret: it looks like JSON or YAML, but not a JWK Set",
        ),
        (
            "-----BEGIN PRIVATE KEY-----MC4CAQAwBQYDK2VwBCIEIA",
            "is neither a JWK Set nor an HS256 secret: it looks like a PEM or OpenSSH key",
        ),
        ("{", "is not a JWK Set (RFC 7517, section 5)"),
        ("{}", "is not a JWK Set (RFC 7517, section 5)"),
        (r#"{"keys":{}}"#, "is not a JWK Set (RFC 7517, section 5)"),
        (OLD, "is not a JWK Set (RFC 7517, section 5)"),
        (r#"{"keys":[]}"#, "the JWK Set has no keys"),
    ] {
        assert_eq!(
            text.parse::<KeySet>().unwrap_err().to_string(),
            message,
            "{text}"
        );
    }
}

#[test]
fn what_looks_like_something_else_is_no_secret() {
    use KeySetError::LooksLike;
    let encoded = URL_SAFE_NO_PAD.encode(format!(r#"{{"keys":[{OLD}]}}"#));
    for text in [
        "@/etc/latchkey/signing_keys.json",
        "\u{feff}@/etc/latchkey/a-secret-in-a-file",
        "/etc/latchkey/keys/the-key-of-tokens.JSON",
        "/run/secrets/latchkey/latchkey_signing_keys",
        "~/.config/latchkey/the-keys-of-my-server",
        "https://id.example/.well-known/jwks.json",
        "op://vault/latchkey/the-signing-keys/1",
        "'{\"keys\":[{\"kty\":\"oct\",\"k\":\"a\"}]}'",
        "keys:\n  - kty: oct\n    k: MDEyMzQ1Njc4OWFiY2RlZjAx",
        "Bag Attributes\n-----BEGIN PRIVATE KEY-----\nMC4CAQ",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA ada@example",
        "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1DNENBUUF3",
        &encoded,
        "ada:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgL",
        "ada:$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygq",
        "${LATCHKEY_SECRET_FROM_THE_ENVIRONMENT}",
        "<put a secret of at least 32 bytes here>",
        "LATCHKEY_SIGNING_KEYS=0123456789abcdef0123456789abcdef",
        "0\u{0}1\u{0}2\u{0}3\u{0}4\u{0}5\u{0}6\u{0}7\u{0}8\u{0}9\u{0}a\u{0}b\u{0}c\u{0}d\u{0}e\u{0}f\u{0}",
        "# The secret of our tokens\n0123456789abcdef0123456789abcdef",
    ] {
        let refused = text.parse::<KeySet>();
        assert!(matches!(refused, Err(LooksLike(_))), "{text}: {refused:?}");
    }
    for text in [
        "0123456789abcdef0123456789abcdef",
        "correct horse battery staple, and more of it",
        "/yDz4pqR+Kc1eJ0xkq8mJbq3Y1o2m6Gd8b0cTzXh1/Y=",
        "2b$7e151628aed2a6abf7158809cf4f3c",
        // As `openssl rand -base64 64` writes it.
        "q2Jm4Cq1xO0b3w7Q6cZVbq5m1t8r5Qq2Jm4Cq1xO0b3w7Q6cZVbq5m1t8r5Qq2Jm\nCq1xO0b3w7Q6cZVbq5m1tw==\n",
    ] {
        assert!(text.parse::<KeySet>().is_ok(), "{text}");
    }
}

#[test]
fn a_byte_order_mark_changes_nothing() {
    for text in [
        &format!(r#"{{"keys":[{ED25519}]}}"#),
        "0123456789abcdef0123456789abcdef",
    ] {
        let (plain, marked) = (
            text.parse::<KeySet>(),
            format!("\u{feff}{text}\r\n").parse::<KeySet>(),
        );
        let (plain, marked) = (plain.unwrap(), marked.unwrap());
        assert_eq!(marked.algorithm(), plain.algorithm());
        let signed = plain.sign(&claims(None));
        assert!(marked.verify(signed.expose(), at(1_662_720_135)).is_ok());
    }
}

#[test]
fn keys_that_cannot_work_are_refused() {
    let edit = |key: &str, old: &str, new: &str| {
        assert!(key.contains(old), "{key}");
        key.replacen(old, new, 1)
    };
    let kty = r#""kty":"oct""#;
    for (key, message) in [
        ("[\"oct\"]".to_owned(), "is not an object"),
        ("{}".to_owned(), "`kty` is missing"),
        (r#"{"kty":1}"#.to_owned(), "`kty` must be a string"),
        (
            r#"{"kty":"RSA"}"#.to_owned(),
            "`kty` must be oct, OKP or EC",
        ),
        (r#"{"kty":"oct"}"#.to_owned(), "`k` is missing"),
        (
            r#"{"kty":"oct","k":"+/=="}"#.to_owned(),
            "`k` must be base64url without padding",
        ),
        (
            r#"{"kty":"oct","k":"c2hvcnQ"}"#.to_owned(),
            "`k` must be at least 32 bytes",
        ),
        (
            edit(OLD, kty, r#""kty":"oct","alg":"HS512""#),
            "`alg` must be HS256",
        ),
        (
            edit(OLD, kty, r#""kty":"oct","alg":null"#),
            "`alg` must be a string",
        ),
        (
            edit(OLD, kty, r#""kty":"oct","use":"enc""#),
            "`use` must be sig",
        ),
        (
            edit(OLD, kty, r#""kty":"oct","key_ops":["verify"]"#),
            "`key_ops` must be a list of operations, with sign",
        ),
        (
            edit(OLD, kty, r#""kty":"oct","key_ops":"sign""#),
            "`key_ops` must be a list of operations, with sign",
        ),
        (
            edit(OLD, kty, r#""kty":"oct","key_ops":["sign",1]"#),
            "`key_ops` must be a list of operations, with sign",
        ),
        (
            edit(OLD, r#""old""#, r#"["old"]"#),
            "`kid` must be a string",
        ),
        (
            edit(ED25519, r#""crv":"Ed25519""#, r#""crv":"X25519""#),
            "`crv` must be Ed25519",
        ),
        (edit(ED25519, r#""crv":"Ed25519","#, ""), "`crv` is missing"),
        (
            edit(ED25519, r#""crv""#, r#""alg":"ES256","crv""#),
            "`alg` must be EdDSA",
        ),
        (
            edit(ED25519, "PcHURo", "PcHURp"),
            "`x` must be base64url without padding",
        ),
        (
            edit(ED25519, "PcHURo", "PcHUR"),
            "`x` must be base64url without padding",
        ),
        (edit(ED25519, "aPcHURo", "aPcH"), "`x` must be 32 bytes"),
        (
            edit(
                ED25519,
                "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
            "`x` is not a public key of the curve",
        ),
        (edit(ED25519, "nWGx", "mWGx"), "`x` does not belong to `d`"),
        (
            edit(ED25519, r#""d":"n"#, r#""d":"nn"#),
            "`d` must be 32 bytes",
        ),
        (
            ED25519_PUBLIC.to_owned(),
            "`d` is missing, and the first key must be able to sign",
        ),
        (
            edit(P256, r#""P-256""#, r#""P-384""#),
            "`crv` must be P-256",
        ),
        (edit(P256, r#""y""#, r#""z""#), "`y` is missing"),
        (
            edit(P256, "4Etl", "4Etk"),
            "`x` is not a public key of the curve",
        ),
        (edit(P256, "870M", "870N"), "`x` does not belong to `d`"),
        (
            edit(
                P256,
                "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
            "`d` is not a private key of the curve",
        ),
        (
            edit(P256, r#""use""#, r#""alg":"HS256","use""#),
            "`alg` must be ES256",
        ),
    ] {
        let first = format!(r#"{{"keys":[{key}]}}"#).parse::<KeySet>();
        assert_eq!(
            first.unwrap_err().to_string(),
            format!("key 1: {message}"),
            "{key}"
        );
    }
    for (key, message) in [
        (OLD.to_owned(), "its `kid` is that of an earlier key"),
        (
            edit(NEW, kty, r#""kty":"oct","key_ops":["encrypt"]"#),
            "`key_ops` must be a list of operations, with verify",
        ),
    ] {
        let second = format!(r#"{{"keys":[{OLD},{key}]}}"#).parse::<KeySet>();
        assert_eq!(
            second.unwrap_err().to_string(),
            format!("key 2: {message}"),
            "{key}"
        );
    }
}
