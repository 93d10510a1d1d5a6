//! ID tokens of an issuer with keys of its own, made by two libraries that others have written.

use std::process::Command;

use serde_json::{Value, json};

use crate::cases::Cases;
use crate::client::{Request, basic};
use crate::process::Stderr;
use crate::python;
use crate::response::Response;
use crate::server::{Launch, Server, TOKENS, host_only};
use crate::verify::verify;

const ISSUER: &str = "https://ci.example";
const AUDIENCE: &str = "https://latchkey.example";

/// Makes the keys, and tokens by name; all of it as JSON.
const SCRIPT: &str = r#"
import base64, json, time
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwt as jose
from joserfc.jwk import ECKey, OKPKey, RSAKey

now = int(time.time())
def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
private = {
    "RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(), "new": rsa.generate_private_key(65537, 3072),
    "stranger": rsa.generate_private_key(65537, 2048),
}
algorithms = {"RS256": jwt.algorithms.RSAAlgorithm, "new": jwt.algorithms.RSAAlgorithm,
    "ES256": jwt.algorithms.ECAlgorithm, "EdDSA": jwt.algorithms.OKPAlgorithm}
public = {}
for name, algorithm in algorithms.items():
    public[name] = json.loads(algorithm.to_jwk(private[name].public_key())) | {"kid": name, "use": "sig"}
    public[name].pop("key_ops", None)

def claims(**changes):
    good = {"iss": "https://ci.example", "aud": "https://latchkey.example", "sub": "octo/repo", "iat": now, "nbf": now,
        "exp": now + 300, "environment": "production", "attempt": 1, "extra": {"x": [None]}}
    return {name: value for name, value in (good | changes).items() if value != "drop"}

def token(key="RS256", alg=None, headers={}, signer=None, **changes):
    alg = alg or ("RS256" if key == "new" else key)
    return jwt.encode(claims(**changes), private[signer or key], alg, {"kid": key} | headers)

good = {f"pyjwt {name}": token(name) for name in ["RS256", "ES256", "EdDSA"]}
# ECDSA with either half of the numbers: half of these have a high s.
good |= {f"pyjwt ES256 {n}": token("ES256", attempt=1, extra=n) for n in range(8)}
for name, key in [("RS256", RSAKey), ("ES256", ECKey), ("EdDSA", OKPKey)]:
    imported = key.import_key(pem(private[name]))
    alg = "Ed25519" if name == "EdDSA" else name
    header = {"alg": name, "kid": name}
    good[f"joserfc {name}"] = jose.encode(header, claims(), imported, algorithms=[name])
good["aud as an array"] = token(aud=["x", "https://latchkey.example"])
good["within the leeway"] = token(exp=now - 30, nbf=now + 30, iat=now + 30)
good["exp with a fraction"] = token(exp=now + 300.5)

secret = base64.urlsafe_b64decode(public["RS256"]["n"] + "==")
def unsigned(alg):
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    return part({"alg": alg, "kid": "RS256"}) + "." + part(claims()) + "."
bad = {
    "iss": token(iss="https://ci.example/"), "no iss": token(iss="drop"),
    "aud": token(aud="https://other.example"), "no aud": token(aud="drop"), "aud empty": token(aud=[]),
    "expired": token(exp=now - 90), "no exp": token(exp="drop"), "not yet": token(nbf=now + 120),
    "iat": token(iat=now + 120), "required": token(environment="staging"), "not required": token(environment="drop"),
    "required type": token(attempt="1"), "no user": token(sub="drop"), "a user with a colon": token(sub="a:b"),
    "an empty user": token(sub=""),
    "unknown kid": token(headers={"kid": "other"}), "no kid": jwt.encode(claims(), private["RS256"], "RS256"),
    "kid of another key": token(headers={"kid": "ES256"}), "signed by a stranger": token(signer="stranger"),
    "RS512": token(alg="RS512"), "PS256": token(alg="PS256"), "crit": token(headers={"crit": ["b64"], "b64": True}),
    "access token": token(headers={"typ": "at+jwt"}), "of Latchkey": token(jwt_token_id="x"),
    "none": unsigned("none"), "None": unsigned("None"), "unsigned": unsigned("RS256"),
    "public key as a secret": jwt.encode(claims(), secret, "HS256", {"kid": "RS256"}),
    "public key as text": jwt.encode(claims(), public["RS256"]["n"], "HS256", {"kid": "RS256"}),
    "rotated": token("new"),
}
print(json.dumps({"keys": public, "good": good, "bad": bad, "new": token("new")}))
"#;

struct Made(Value);

impl Made {
    fn by_python() -> Option<Self> {
        let python = python::with("issuer", &["pyjwt[crypto]>=2.10,<3", "joserfc>=1.0,<2"])?;
        let output = Command::new(python).args(["-c", SCRIPT]).output();
        let output = output.expect("Python runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(Self(serde_json::from_slice(&output.stdout).expect("JSON")))
    }

    fn token(&self, name: &str) -> &str {
        self.0["good"][name].as_str().expect("a token")
    }

    /// The variable, with these keys.
    fn issuers(&self, keys: &[&str], more: &Value) -> String {
        let keys: Vec<_> = keys.iter().map(|name| &self.0["keys"][name]).collect();
        let mut issuer = json!({
            "issuer": ISSUER, "jwks": { "keys": keys }, "audience": AUDIENCE, "user_claim": "sub",
            "user_prefix": "ci-", "require": { "environment": "production", "attempt": 1 },
        });
        for (name, value) in more.as_object().expect("an object") {
            issuer[name] = value.clone();
        }
        json!([issuer]).to_string()
    }

    fn start(&self, keys: &[&str], more: &Value) -> Server {
        let issuers = self.issuers(keys, more);
        Server::start(Launch::new().variable("trusted_issuers", &issuers))
    }
}

const ALL: &[&str] = &["RS256", "ES256", "EdDSA"];

fn as_bearer<'a>(server: &'a Server, token: &str, method: &str, path: &str) -> Request<'a> {
    let bearer = format!("Bearer {token}");
    server
        .request(method, path)
        .header("authorization", &bearer)
}

fn create(server: &Server, token: &str, body: &Value) -> Response {
    as_bearer(server, token, "POST", TOKENS)
        .json(body.to_string())
        .send()
}

#[test]
fn good_tokens_sign_in_and_each_that_is_wrong_in_one_thing_does_not() {
    if !host_only("a configuration of its own") {
        return;
    }
    let Some(made) = Made::by_python() else {
        return;
    };
    let server = made.start(ALL, &json!({}));
    let mut cases = Cases::default();
    let ask = |token: &Value| {
        let token = token.as_str().expect("a token");
        as_bearer(&server, token, "GET", TOKENS).send()
    };
    let tokens = |kind: &str| made.0[kind].as_object().expect("an object").clone();
    for (name, token) in tokens("good") {
        // Twice: the second time the signature is known.
        for _ in 0..2 {
            let answer = ask(&token);
            cases.check(&name, answer.outcome(), (404, "no_tokens".to_owned()));
            cases.check(&name, answer.header("x-latchkey-user"), "ci-octo%2Frepo");
        }
    }
    let refused = server.request("GET", TOKENS).send();
    for (name, token) in tokens("bad") {
        for _ in 0..2 {
            let answer = ask(&token);
            cases.check(&name, answer.refusal(), (401, "unauthorized".to_owned()));
            cases.check(&name, answer.body.clone(), refused.body.clone());
        }
    }
    // Our own token signs nobody in, and an ID token is none of ours.
    let token = server.user().issue("Token", 360).token;
    cases.check("our own", ask(&token.into()).status, 401);
    let good = made.token("pyjwt RS256");
    let verified = verify(&server, good);
    cases.check(
        "verify",
        verified.outcome(),
        (401, "invalid_token".to_owned()),
    );
    // Where no issuer is trusted, it is as if there were none.
    cases.check(
        "elsewhere",
        as_bearer(Server::shared(), good, "GET", TOKENS)
            .send()
            .status,
        401,
    );
}

#[test]
fn what_is_made_is_within_the_bounds_of_the_issuer() {
    if !host_only("a configuration of its own") {
        return;
    }
    let Some(made) = Made::by_python() else {
        return;
    };
    // As a person of the same name, who has a password.
    let issuers = made.issuers(
        ALL,
        &json!({ "user_prefix": "", "max_token_life": "1 hour", "scope": "read write" }),
    );
    let person = format!("octo/repo:{}", crate::server::HASH);
    let server = Server::start(
        Launch::new()
            .users(Some(&person))
            .variable("trusted_issuers", &issuers),
    );
    let token = made.token("joserfc ES256");
    let mut cases = Cases::default();
    let body = |life: &str, scope: Option<&str>| {
        let mut body =
            json!({ "jwt_token_description": format!("{life} {scope:?}"), "jwt_token_life": life });
        if let Some(scope) = scope {
            body["jwt_token_scope"] = scope.into();
        }
        body
    };
    for (life, scope, status, code) in [
        ("2 hours", Some("read"), 400, "invalid_lifetime"),
        ("1 hour", None, 403, "scope_not_granted"),
        ("1 hour", Some("read admin"), 403, "scope_not_granted"),
        ("1 hour", Some("admin"), 403, "scope_not_granted"),
    ] {
        let refused = create(&server, token, &body(life, scope));
        cases.check((life, scope), refused.refusal(), (status, code.to_owned()));
    }
    let refused = create(&server, token, &body("1h", None)).message();
    assert!(refused.contains("read write"), "{refused}");
    let created = create(&server, token, &body("1 hour", Some("write"))).expect(201);
    let rotate = |id: &str| {
        let path = format!("{TOKENS}/{id}/rotate");
        as_bearer(&server, token, "POST", &path).send()
    };
    let rotated = rotate(&created.text("jwt_token_id")).expect(201);
    let verify = |token: &str| {
        as_bearer(&server, token, "GET", "/api/v1alpha/verify?scope=write")
            .send()
            .status
    };
    cases.check("verified", verify(&rotated.text("jwt_token")), 200);
    cases.check("rotated", verify(&created.text("jwt_token")), 401);

    // The person's own token can do more: it can be listed and revoked, but not be made one's own.
    let issued = server
        .named("octo/repo", crate::server::PASSWORD)
        .issue("own", 360);
    cases.check(
        "own",
        rotate(&issued.id).refusal(),
        (403, "scope_not_granted".to_owned()),
    );
    let path = format!("{TOKENS}/{}?details=true", rotated.text("jwt_token_id"));
    let details = as_bearer(&server, token, "GET", &path)
        .send()
        .expect(200)
        .json();
    cases.check("means", details["jwt_token_means"].clone(), json!("issuer"));
    cases.check("issuer", details["jwt_token_issuer"].clone(), json!(ISSUER));
    let deleted = as_bearer(&server, token, "DELETE", &format!("{TOKENS}/{}", issued.id)).send();
    cases.check("deleted", deleted.status, 200);
}

#[test]
fn keys_are_rotated_and_issuers_leave() {
    if !host_only("configurations of its own") {
        return;
    }
    let Some(made) = Made::by_python() else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().join("store.db").display());
    let start = |variables: &[(&str, &str)]| {
        let mut launch = Launch::new().store(&store);
        for (name, value) in variables {
            launch = launch.variable(name, value);
        }
        Server::start(launch)
    };
    let (old, new) = (
        made.token("pyjwt RS256"),
        made.0["new"].as_str().expect("a token"),
    );
    let mut token = String::new();
    for (keys, works) in [
        (&["RS256"][..], [true, false]),
        (&["new", "RS256"], [true, true]),
        (&["new"], [false, true]),
    ] {
        let server = start(&[("trusted_issuers", &made.issuers(keys, &json!({})))]);
        let signs_in = |token: &str| as_bearer(&server, token, "GET", TOKENS).send().status != 401;
        assert_eq!([old, new].map(signs_in), works, "{keys:?}");
        if token.is_empty() {
            let body = json!({ "jwt_token_description": "t", "jwt_token_life": "1 day" });
            token = create(&server, old, &body).expect(201).text("jwt_token");
        }
        let verified = verify(&server, &token);
        assert_eq!(verified.expect(200).text("username"), "ci-octo/repo");
    }
    // Nothing vouches any more for what was made on its word: not another issuer, and no configured user.
    let other = made.issuers(&["new"], &json!({ "issuer": "https://other.example" }));
    let user = format!("ci-octo/repo:{}", crate::server::HASH);
    for variables in [
        &[][..],
        &[("trusted_issuers", &other[..])],
        &[("users", &user[..])],
    ] {
        let server = start(variables);
        let verified = verify(&server, &token);
        assert_eq!(
            verified.outcome(),
            (401, "invalid_token".to_owned()),
            "{variables:?}"
        );
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    if !host_only("configurations of its own") {
        return;
    }
    let Some(made) = Made::by_python() else {
        return;
    };
    let good = made.issuers(ALL, &json!({}));
    let private = made.issuers(
        &[],
        &json!({ "jwks": { "keys": [{ "kty": "oct", "k": "hunter2hunter2" }] } }),
    );
    let mut cases = Cases::default();
    for (issuers, issuer, problem) in [
        (
            &good,
            ISSUER,
            "`trusted_issuers` cannot be used: one of them is our own `issuer`",
        ),
        (
            &private,
            "",
            "`trusted_issuers` cannot be used: issuer 1: `jwks`: key 1: has private members",
        ),
        (
            &made.issuers(ALL, &json!({ "max_token_live": "1h" })),
            "",
            "`trusted_issuers` cannot be used: issuer 1: there is no member \"max_token_live\"",
        ),
        (
            &"{}".to_owned(),
            "",
            "`trusted_issuers` cannot be used: it is not a JSON array",
        ),
    ] {
        let launch = Launch::new()
            .variable("trusted_issuers", issuers)
            .variable("issuer", issuer);
        let finished = launch.spawn(Stderr::Kept).finish();
        cases.check((problem, &finished.stderr), finished.status.code(), Some(1));
        cases.check(
            (problem, &finished.stderr),
            finished.stderr.contains(problem),
            true,
        );
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    }
    // With neither users nor another means, nobody could sign in; with one, users need not be.
    let alone = Launch::new()
        .users(Some(""))
        .variable("trusted_issuers", &good);
    let server = Server::start(alone);
    let token = made.token("pyjwt EdDSA");
    assert_eq!(as_bearer(&server, token, "GET", TOKENS).send().status, 404);
    let nobody = server
        .request("GET", TOKENS)
        .header("authorization", &basic("ada", "x"));
    assert_eq!(nobody.send().status, 401);
}

/// Each way to sign in that the description names, at each operation.
#[test]
fn every_described_way_signs_in_everywhere() {
    if !host_only("a configuration of its own") {
        return;
    }
    let Some(made) = Made::by_python() else {
        return;
    };
    let issuers = made.issuers(ALL, &json!({}));
    let launch = crate::login_proxy::launch().variable("trusted_issuers", &issuers);
    let server = Server::start(launch);
    let description = server.request("GET", "/openapi.json").send().json();
    let basic = basic("ada", crate::server::PASSWORD);
    let bearer = format!("Bearer {}", made.token("pyjwt EdDSA"));
    let mut cases = Cases::default();
    let mut seen = 0;
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an object") {
            let ways = operation["security"].as_array().into_iter().flatten();
            for way in ways.filter(|way| way.get("bearer").or(way.get("apiKey")).is_none()) {
                let query = match &**method {
                    "delete" if path.ends_with("/token") => "?all=true",
                    _ => "",
                };
                let target = path.replace("{jwt_token_id}", crate::show::UNKNOWN);
                let target = target.replace("{user}", "ada") + query;
                let mut request = server
                    .request(&method.to_uppercase(), &target)
                    .header("sec-fetch-site", "same-origin");
                for scheme in way.as_object().expect("an object").keys() {
                    let described = &description["components"]["securitySchemes"][scheme];
                    let (name, value) = match (&**scheme, described["name"].as_str()) {
                        ("basic", _) => ("authorization", &*basic),
                        ("idToken", _) => ("authorization", &*bearer),
                        ("proxySecret", Some(name)) => (name, crate::login_proxy::SECRET),
                        ("proxyUser", Some(name)) => (name, "zoe"),
                        _ => panic!("{scheme}"),
                    };
                    request = request.header(name, value);
                }
                let status = request.send().status;
                cases.check((method, path, way), status == 401, false);
                seen += 1;
            }
        }
    }
    assert!(seen >= 39, "{seen}");
}
