//! Tokens that are not ours, made by someone who knows how ours are made. RFC 8725 has the list of what has worked elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::keys::{ED25519, ED25519_PUBLIC, OLD, P256, set};
use super::*;

const NOW: u64 = 1_662_720_135;

/// A key set of all algorithms, with `kid` old, kPrK… and 1.
fn all() -> KeySet {
    set(&[ED25519, P256, OLD])
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of this header and payload, signed with the secret of `OLD`.
fn hs256(header: &str, payload: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = KeySet::from_secret(SECRET)
        .unwrap()
        .signature(message.as_bytes());
    format!("{message}.{signature}")
}

fn payload() -> String {
    serde_json::to_string(&claims(None)).unwrap()
}

fn is_valid(token: &str) -> bool {
    all().verify(token, at(NOW)).is_ok()
}

fn assert_invalid(tokens: impl IntoIterator<Item = String>) {
    for token in tokens {
        assert!(!is_valid(&token), "{token}");
    }
}

const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

#[test]
fn the_tools_of_the_forger_work() {
    assert!(is_valid(&hs256(HEADER, &payload())));
    let named = r#"{"typ":"JWT","alg":"HS256","kid":"old"}"#;
    assert!(is_valid(&hs256(named, &payload())));
}

#[test]
fn no_algorithm() {
    let names = ["none", "None", "NONE", "nOnE", "", "none ", "n\u{ff4f}ne"];
    let payload = payload();
    assert_invalid(names.into_iter().flat_map(|alg| {
        let header = format!(r#"{{"typ":"JWT","alg":"{alg}"}}"#);
        let message = format!("{}.{}", encode(&header), encode(&payload));
        [
            format!("{message}."),
            message,
            hs256(&header, &payload.clone()),
        ]
    }));
    let null = ["null", "[]", "0", "[\"HS256\"]", "{}"];
    assert_invalid(null.map(|alg| hs256(&format!(r#"{{"typ":"JWT","alg":{alg}}}"#), &payload)));
    assert_invalid([hs256(r#"{"typ":"JWT"}"#, &payload)]);
}

#[test]
fn another_algorithm_than_the_keys() {
    let payload = payload();
    for alg in [
        "hs256", "HS256 ", "HS384", "HS512", "RS256", "PS256", "ES256", "ES384", "ES256K", "EdDSA",
        "Ed25519", "Ed448",
    ] {
        for kid in ["", r#","kid":"old""#, r#","kid":"1""#] {
            let header = format!(r#"{{"typ":"JWT","alg":"{alg}"{kid}}}"#);
            assert_invalid([hs256(&header, &payload)]);
        }
    }
    // Each signature, under the names of the other algorithms.
    let names = ["HS256", "EdDSA", "ES256"];
    for (key, own) in [(OLD, "HS256"), (ED25519, "EdDSA"), (P256, "ES256")] {
        for name in names.into_iter().filter(|name| *name != own) {
            let header = format!(r#"{{"typ":"JWT","alg":"{name}"}}"#);
            let message = format!("{}.{}", encode(&header), encode(&payload));
            let signature = set(&[key]).signature(message.as_bytes());
            assert_invalid([format!("{message}.{signature}")]);
        }
    }
}

#[test]
fn a_public_key_as_a_secret() {
    let bytes = |member: &str, key: &str| {
        let key: serde_json::Value = serde_json::from_str(key).unwrap();
        let text = key[member].as_str().unwrap().to_owned();
        (URL_SAFE_NO_PAD.decode(&text).unwrap(), text.into_bytes())
    };
    let (ed25519, ed25519_text) = bytes("x", ED25519);
    let (x, _) = bytes("x", P256);
    let (y, _) = bytes("y", P256);
    // As raw bytes, as text, as SubjectPublicKeyInfo in DER, as the JWK and as the whole key set.
    let spki = [
        &[
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0,
        ][..],
        &ed25519[..],
    ]
    .concat();
    let published = serde_json::to_vec(&all().public()).unwrap();
    let point = [&[4][..], &x[..], &y[..]].concat();
    for secret in [
        ed25519,
        ed25519_text,
        spki,
        ED25519_PUBLIC.as_bytes().to_vec(),
        published,
        [x, y].concat(),
        point,
    ] {
        let forger = KeySet::from_secret(&secret).unwrap();
        for header in [
            HEADER,
            r#"{"typ":"JWT","alg":"HS256","kid":"1"}"#,
            r#"{"typ":"JWT","alg":"HS256","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}"#,
        ] {
            let message = format!("{}.{}", encode(header), encode(&payload()));
            let signature = forger.signature(message.as_bytes());
            assert_invalid([format!("{message}.{signature}")]);
        }
    }
}

#[test]
fn key_ids() {
    let members = [
        r#""kid":"new""#,
        r#""kid":"""#,
        r#""kid":"OLD""#,
        r#""kid":"old ""#,
        r#""kid":"old\u0000""#,
        r#""kid":"../../../dev/null""#,
        r#""kid":"/dev/null""#,
        r#""kid":"old' OR '1'='1""#,
        r#""kid":"x' UNION SELECT 'k'--""#,
        r#""kid":"latchkey-signing-key""#,
        r#""kid":"1""#,
        r#""kid":["old"]"#,
        r#""kid":{"old":1}"#,
        r#""kid":0"#,
        r#""kid":true"#,
        r#""kid":null"#,
        r#""kid":"old","kid":"old""#,
        r#""kid":"1","kid":"old""#,
        r#""kid":"old","k\u0069d":"1""#,
        r#""KID":"old""#,
    ];
    let payload = payload();
    assert_invalid(members.map(|member| {
        let header = format!(r#"{{"typ":"JWT","alg":"HS256",{member}}}"#);
        hs256(&header, &payload)
    }));
}

#[test]
fn headers_that_bring_their_own_key_or_ask_for_more() {
    let members = [
        r#""jku":"https://attacker.example/jwks.json""#,
        r#""jwk":{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#,
        r#""x5u":"https://attacker.example/cert.pem""#,
        r#""x5c":["MIIB"]"#,
        r#""x5t":"x""#,
        r#""crit":["exp"]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":[]"#,
        r#""b64":false"#,
        r#""cty":"JWT""#,
        r#""zip":"DEF""#,
        r#""enc":"A256GCM""#,
        r#""exp":1"#,
        r#""alg":"HS256""#,
        r#""alg":"none""#,
        r#""typ":"JWT""#,
    ];
    let payload = payload();
    assert_invalid(members.map(|member| {
        let header = format!(r#"{{"typ":"JWT","alg":"HS256",{member}}}"#);
        hs256(&header, &payload)
    }));
    let types = ["", "jwt", "at+jwt", "JOSE", "JWT\\u0000"];
    assert_invalid(types.map(|typ| {
        let header = format!(r#"{{"typ":"{typ}","alg":"HS256"}}"#);
        hs256(&header, &payload)
    }));
}

#[test]
fn segments() {
    let token = all().sign(&claims(None)).expose().to_owned();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("{token}");
    };
    let mut tokens = vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}.{signature}."),
        format!(".{header}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}.."),
        format!("{payload}.{header}.{signature}"),
        format!("{header}.{header}.{signature}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{header} .{payload}.{signature}"),
        format!("{header}.{payload}.{signature}%3D"),
        format!("Bearer {token}"),
        format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#),
    ];
    tokens.extend((0..token.len()).map(|end| token[..end].to_owned()));
    tokens.extend((1..token.len()).map(|start| token[start..].to_owned()));
    assert_invalid(tokens);
}

/// Every segment has one encoding: no padding, no other alphabet, and no bits after the last byte.
#[test]
fn base64url() {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // The example's payload leaves bits, and so do a header and a signature of 32 or 64 bytes.
    let token = hs256(HEADER, &payload());
    let parts: Vec<&str> = token.split('.').collect();
    for place in 0..3 {
        let part = parts[place];
        let variant = |new: String| {
            let mut parts = parts.clone();
            parts[place] = &new;
            parts.join(".")
        };
        assert_invalid(
            ["=", "==", "A", "AA", "AAA", "\n", " ", "\u{e9}"]
                .map(|end| variant(format!("{part}{end}"))),
        );
        let (body, last) = part.split_at(part.len() - 1);
        for other in ALPHABET.chars().filter(|other| !last.contains(*other)) {
            assert_invalid([variant(format!("{body}{other}"))]);
        }
        let standard = part.replace('-', "+").replace('_', "/");
        if standard != part {
            assert_invalid([variant(standard)]);
        }
    }
    // Signed as they stand: the signature is good, the encoding is not.
    let sign = |header: &str, payload: &str| {
        let message = format!("{header}.{payload}");
        let signature = KeySet::from_secret(SECRET)
            .unwrap()
            .signature(message.as_bytes());
        format!("{message}.{signature}")
    };
    assert!(is_valid(&sign(parts[0], parts[1])));
    // The payload's 158 bytes leave four bits, which are zero in `Q`.
    let (body, last) = parts[1].split_at(parts[1].len() - 1);
    assert_eq!(last, "Q");
    assert_invalid(
        ["R", "S", "Y", "Q=", "Q==", "Q\n"].map(|end| sign(parts[0], &format!("{body}{end}"))),
    );
    assert_invalid([sign(&format!("{}=", parts[0]), parts[1])]);
}

#[test]
fn what_is_no_object() {
    let payload = payload();
    for json in [
        "",
        "null",
        "1",
        "\"x\"",
        "[]",
        "[{}]",
        "{",
        "{}{}",
        "\u{feff}{}",
        // Serde takes arrays for structs.
        r#"["JWT","HS256",null]"#,
        r#"["JWT","HS256","old"]"#,
    ] {
        assert_invalid([hs256(json, &payload), hs256(HEADER, json)]);
    }
    let claims = claims(None);
    let array = format!(
        r#"["admin","{}","Token specter",{},{},null,null,null,null]"#,
        claims.jwt_token_id, claims.exp, claims.iat
    );
    assert_invalid([
        hs256(HEADER, &array),
        hs256(HEADER, &format!("[{payload}]")),
        hs256(HEADER, &format!("{payload}{payload}")),
        hs256(HEADER, &format!("{payload},")),
        hs256(HEADER, &format!("//\n{payload}")),
    ]);
}

#[test]
fn claims_of_other_types_twice_and_missing() {
    let payload = payload();
    assert!(is_valid(&hs256(HEADER, &format!(" {payload}\n"))));
    let exp = r#""exp":1662741735"#;
    let edit = |old: &str, new: &str| {
        assert!(payload.contains(old), "{payload}");
        hs256(HEADER, &payload.replacen(old, new, 1))
    };
    for value in [
        r#""1662741735""#,
        "1662741735.0",
        "1662741735.5",
        "1.662741735e9",
        "-1",
        "-1662741735",
        "0",
        "1662720135",
        "1e400",
        "18446744073709551616",
        "99999999999999999999999999999999",
        "NaN",
        "Infinity",
        "true",
        "null",
        "[1662741735]",
        "{}",
        "01662741735",
        "+1662741735",
        "0x631b7f67",
    ] {
        assert_invalid([edit(exp, &format!(r#""exp":{value}"#))]);
    }
    // The largest is one that we could have written: the ledger tells that we did not.
    assert!(is_valid(&edit(exp, r#""exp":18446744073709551615"#)));
    assert_invalid([
        edit(exp, &format!("{exp},{exp}")),
        edit(exp, &format!("{exp},\"exp\":18446744073709551615")),
        edit(exp, &format!("{exp},\"e\\u0078p\":18446744073709551615")),
        edit(r#""iat":1662720135"#, r#""iat":"1662720135""#),
        edit(
            r#""username":"admin""#,
            r#""username":"ada","username":"admin""#,
        ),
        edit(r#""username":"admin""#, r#""username":["admin"]"#),
        edit(r#""username":"admin""#, r#""username":null"#),
        edit(r#""username":"admin","#, ""),
        edit("b56929f3-", "B56929F3-"),
        edit("b56929f3-", "b56929f3"),
        edit("b56929f3-54f1-4dc2-9984-9bba615e26e6", ""),
        edit(r#","iat":1662720135"#, ""),
        edit(&format!(",{exp}"), ""),
        edit(r#""jwt_token_description":"Token specter","#, ""),
        edit(exp, &format!(r#"{exp},"nbf":0"#)),
        edit(exp, &format!(r#"{exp},"admin":true"#)),
        edit(exp, &format!(r#"{exp},"iss":null"#)),
        edit(exp, &format!(r#"{exp},"":"""#)),
        edit("specter", "\\ud800"),
        edit(exp, &format!(r#"{exp},"deep":{}"#, "[".repeat(100_000))),
    ]);
}

#[test]
fn a_huge_token() {
    let token = all().sign(&claims(None)).expose().to_owned();
    let (header, rest) = token.split_once('.').unwrap();
    let filler = "A".repeat(100 * 1024);
    assert_invalid([
        filler.clone(),
        format!("{filler}.{filler}.{filler}"),
        format!("{header}.{filler}.{filler}"),
        format!("{header}.{rest}{filler}"),
        format!("{filler}{token}"),
        ".".repeat(100 * 1024),
        hs256(HEADER, &format!("{}{}", " ".repeat(100 * 1024), "{}")),
        hs256(
            &format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{filler}"}}"#),
            &payload(),
        ),
    ]);
}

/// Of the two signatures (r, s) and (r, n - s) of ES256, one is ours.
#[test]
fn es256_signatures_cannot_be_altered() {
    use p256::elliptic_curve::PrimeField as _;
    use p256::{FieldBytes, Scalar};

    let keys = set(&[P256]);
    let token = keys.sign(&claims(None)).expose().to_owned();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let s = FieldBytes::try_from(&bytes[32..]).unwrap();
    let s = Scalar::from_repr(s).unwrap();
    bytes[32..].copy_from_slice(&(-s).to_repr());
    let altered = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&bytes));
    assert!(keys.verify(&token, at(NOW)).is_ok());
    assert!(keys.verify(&altered, at(NOW)).is_err());
    for signature in [vec![0; 64], vec![0xff; 64], vec![0; 63], vec![0; 65]] {
        let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&signature));
        assert!(keys.verify(&forged, at(NOW)).is_err());
    }
}

/// 10,000 of HS256, 1,000 of the others: a character changed, removed, inserted, two exchanged, or a piece repeated.
#[test]
fn mutations() {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    let draws = std::cell::Cell::new(0_u64);
    let draw = |below: usize| {
        draws.set(draws.get() + 1);
        let number = BuildHasherDefault::<DefaultHasher>::default().hash_one(draws.get());
        number as usize % below
    };
    const CHARACTERS: &[u8] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \0\n\"{";
    for first in [OLD, ED25519, P256] {
        let token = set(&[first]).sign(&claims(None));
        let token = token.expose().as_bytes();
        // The signatures of the others are costly to verify.
        let count = if first == OLD { 10_000 } else { 1_000 };
        for _ in 0..count {
            let mut mutant = token.to_vec();
            for _ in 0..=draw(3) {
                let (one, other) = (draw(mutant.len()), draw(mutant.len()));
                let character = CHARACTERS[draw(CHARACTERS.len())];
                match draw(5) {
                    0 => mutant[one] = character,
                    1 => drop(mutant.remove(one)),
                    2 => mutant.insert(one, character),
                    3 => mutant.swap(one, other),
                    _ => {
                        let piece = mutant[one.min(other)..one.max(other)].to_vec();
                        mutant.extend(piece);
                    }
                }
            }
            if mutant == token {
                continue;
            }
            let mutant = String::from_utf8(mutant).unwrap();
            assert!(!is_valid(&mutant), "{mutant}");
        }
    }
}
