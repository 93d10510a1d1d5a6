//! Texts that are not meant as an HS256 secret, although long enough for one.
//!
//! A key set that is not read as one would be a secret that its readers know: the tokens of a server that took it would be
//! weaker than its administrator believes, and nothing would say so.

/// The ends of the names of files with keys.
const EXTENSIONS: [&str; 10] = [
    ".json", ".jwk", ".jwks", ".pem", ".key", ".der", ".p8", ".txt", ".env", ".toml",
];

/// How keys begin in base64 without armour: SubjectPublicKeyInfo and PKCS #8 of Ed25519 and P-256, RSA and certificates, the
/// public keys of OpenSSH.
const KEYS_IN_BASE64: [&str; 7] = [
    "MCowBQYDK2Vw",
    "MFkwEwYHKoZIzj0",
    "MC4CAQAwBQYDK2Vw",
    "MIGHAgEAMBMGByqGSM49",
    "MII",
    "AAAAC3NzaC1",
    "AAAAB3NzaC1",
];

/// What `text` looks like, if that is something else than a secret. It has no white space around it.
pub(super) fn of(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| lower.ends_with(suffix));
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let unquoted = text.trim_start_matches(['"', '\'', '`', ' ']);

    if text.contains(|c: char| c.is_control() && !c.is_whitespace()) {
        Some("binary data or UTF-16")
    } else if unquoted.starts_with(['{', '[']) || has(&["\"kty\"", "'kty'", "kty:"]) {
        Some("JSON or YAML, but not a JWK Set")
    } else if has(&["-----begin", "begin ssh2", "putty-user-key"])
        || begins(&["ssh-", "sk-ssh-", "ecdsa-sha2-", "age-secret-key-"])
    {
        Some("a PEM or OpenSSH key")
    } else if text.starts_with("eyJ") || text.starts_with("ewo") || text.starts_with("LS0tLS1") {
        Some("a JWK Set, a token or a PEM key in base64")
    } else if KEYS_IN_BASE64.iter().any(|begin| text.starts_with(begin)) {
        Some("a key in base64, maybe a public one")
    } else if has(&["$argon2", "$2a$", "$2b$", "$2x$", "$2y$", "$sha256$"]) {
        Some("a password hash")
    } else if begins(&["lkp_"]) {
        Some("a password")
    } else if text.starts_with('@') {
        Some("the name of a file (only --variable NAME=@FILE reads one)")
    } else if has(&["://", ":\\"])
        || begins(&["~/", "./", "../", "file:"])
        || ends(&EXTENSIONS)
        || is_path(text)
    {
        Some("the name of a file or a URL")
    } else if begins(&["$", "%{", "<%", "arn:", "vault:"])
        || text.starts_with('<') && text.ends_with('>')
    {
        Some("a placeholder that was not filled in")
    } else if text.bytes().all(|byte| byte == text.as_bytes()[0]) {
        Some("one character, repeated")
    } else if has(&["signing_keys"]) {
        Some("a setting or the name of a file")
    } else if text.contains(['\n', '\r']) && !text.lines().all(is_base64) {
        Some("the text of a file")
    } else {
        None
    }
}

/// Whether it is an absolute path: with a character that base64 does not have, since that has slashes too.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && text[1..].contains('/') && text.contains(['-', '.', '_'])
}

/// Whether a line may be one of a long secret, as `openssl rand -base64 64` breaks it.
fn is_base64(line: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    line.trim_end().bytes().all(digit)
}
