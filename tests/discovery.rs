//! Metadata for those who know the issuer's address alone.

use std::net::TcpListener;
use std::process::Command;

use crate::process::{PATIENCE, Process, Stderr, latchkey};
use crate::python;
use crate::server::{HASH, PASSWORD, Server, host_only};

const PATHS: [&str; 2] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

#[test]
fn without_an_issuer_there_is_none() {
    if !host_only("a configuration of its own") {
        return;
    }
    for path in PATHS {
        let answer = Server::shared().request("GET", path).send();
        answer.refused(404, "not_found");
    }
}

/// PyJWT for the keys, Authlib for the form of the metadata: both know the issuer alone.
#[test]
fn a_third_party_finds_the_keys() {
    if !host_only("a configuration of its own") {
        return;
    }
    let packages = ["pyjwt[crypto]>=2.10,<3", "authlib>=1.3,<2"];
    let Some(python) = python::with("discovery", &packages) else {
        return;
    };
    let keys = crate::keys::keygen(&["--alg", "EdDSA"]);
    // The issuer has to be known before the server listens.
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let issuer = format!("http://{address}");
    // Which builds the component, once.
    Server::shared();
    let mut command = latchkey(["up", "--listen", &address, "--store", "memory:"]);
    for variable in [
        format!("signing_keys={keys}"),
        format!("issuer={issuer}"),
        format!("users=ada:{HASH}"),
    ] {
        command.arg("--variable").arg(variable);
    }
    let server = Server::ready(Process::start(command, Stderr::Kept), PATIENCE);
    let user = server.named("ada", PASSWORD);
    let issued = user.issue("Token", 360);
    let script = "
import json, jwt, sys, urllib.parse, urllib.request
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
issuer, token = sys.argv[1:]
def fetch(path):
    with urllib.request.urlopen(issuer + path) as answer:
        return json.load(answer)
oauth = fetch('/.well-known/oauth-authorization-server')
metadata = fetch('/.well-known/openid-configuration')
assert oauth == metadata, metadata
read = AuthorizationServerMetadata(oauth)
for member in ['response_types_supported', 'introspection_endpoint_auth_methods_supported',
               'revocation_endpoint_auth_methods_supported']:
    getattr(read, 'validate_' + member)()
assert metadata['issuer'] == issuer, metadata
key = jwt.PyJWKClient(metadata['jwks_uri']).get_signing_key_from_jwt(token)
claims = jwt.decode(token, key, algorithms=metadata['id_token_signing_alg_values_supported'], issuer=metadata['issuer'])
form = urllib.parse.urlencode({'token': token}).encode()
with urllib.request.urlopen(metadata['revocation_endpoint'], form) as answer:
    assert answer.status == 200
print(claims['jti'])
";
    let output = Command::new(python)
        .args(["-c", script, &issuer, &issued.token])
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), issued.id);
    assert_eq!(user.ids(), [""; 0], "revoked by the address that it found");
}
