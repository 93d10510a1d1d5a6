use super::*;

fn target(allowed: &str, uri: &str) -> Option<Target> {
    let hosts = AllowedHosts::parse([allowed]).expect(allowed);
    hosts.target(&uri.parse().expect(uri))
}

fn is_allowed(allowed: &str, uri: &str) -> bool {
    target(allowed, uri).is_some()
}

#[test]
fn hosts() {
    for (allowed, uri, expected) in [
        ("https://a.example", "https://a.example/x", true),
        ("https://a.example/", "https://a.example/x", true),
        ("https://a.example", "https://A.EXAMPLE/x", true),
        ("https://a.example", "https://a.example:443/x", true),
        ("https://a.example", "https://a.example:444/x", false),
        ("https://a.example", "http://a.example/x", false),
        ("https://a.example", "http://a.example:443/x", false),
        ("https://a.example", "https://b.example/x", false),
        (
            "https://a.example",
            "https://a.example.evil.example/x",
            false,
        ),
        ("https://a.example", "https://evil.example/a.example", false),
        (
            "https://a.example",
            "https://a.example@evil.example/",
            false,
        ),
        (
            "https://a.example",
            "https://a.example:443@evil.example/",
            false,
        ),
        ("https://a.example", "https://a.example./", false),
        ("http://a.example", "http://a.example:80/", true),
        ("http://a.example:8080", "http://a.example:8080/", true),
        ("http://a.example:8080", "http://a.example/", false),
        ("http://a.example:*", "http://a.example:1/", true),
        (
            "http://a.example:8000..8002",
            "http://a.example:7999/",
            false,
        ),
        (
            "http://a.example:8000..8002",
            "http://a.example:8000/",
            true,
        ),
        (
            "http://a.example:8000..8002",
            "http://a.example:8001/",
            true,
        ),
        (
            "http://a.example:8000..8002",
            "http://a.example:8002/",
            false,
        ),
        ("*://a.example:443", "https://a.example/", true),
        ("*://a.example:443", "http://a.example:443/", true),
        ("*://a.example:443", "http://a.example/", false),
        ("http://*.a.example", "http://b.a.example/", true),
        ("http://*.a.example", "http://c.b.a.example/", true),
        ("http://*.a.example", "http://a.example/", false),
        ("http://*.a.example", "http://ba.example/", false),
        ("http://*", "http://anything.example/", true),
        ("http://*", "http://192.0.2.1/", true),
        ("http://*", "http://anything.example:81/", false),
        ("*://*:*", "https://anything.example:81/", true),
        ("http://192.0.2.1", "http://192.0.2.1/", true),
        // Other ways to write it.
        ("http://192.0.2.1", "http://0xc0000201/", true),
        ("http://192.0.2.2", "http://0xc0000201/", false),
        ("http://192.0.2.0/24", "http://192.0.2.255/", true),
        ("http://192.0.2.0/24", "http://192.0.3.0/", false),
        ("http://192.0.2.0/24:81", "http://192.0.2.1:81/", true),
        ("http://0.0.0.0/0", "http://192.0.2.1/", true),
        ("http://0.0.0.0/0", "http://[::1]/", false),
        ("http://0.0.0.0/0", "http://a.example/", false),
        ("http://[2001:db8::1]", "http://[2001:db8::1]/", true),
        ("http://[2001:db8::1]:81", "http://[2001:db8::1]:81/", true),
        ("http://[2001:db8::1]", "http://[2001:db8::2]/", false),
        ("http://2001:db8::/32", "http://[2001:db8::2]/", true),
        ("http://self", "http://a.example/", false),
        ("http://self", "http://self.alt/", true),
        ("http://a.example", "http://self.alt/", false),
        ("http://a.example", "/relative", false),
        ("http://self", "/relative", true),
    ] {
        assert_eq!(is_allowed(allowed, uri), expected, "{allowed} {uri}");
    }
    assert!(
        AllowedHosts::default()
            .target(&"http://a.example/".parse().unwrap())
            .is_none()
    );
}

#[test]
fn where_requests_go() {
    let chained = |name: &str| Some(Target::Component(name.to_owned()));
    let network = |text: &str| Some(Target::Network(text.parse().unwrap()));
    for (allowed, uri, expected) in [
        (
            "http://app.spin.internal",
            "http://app.spin.internal/x",
            chained("app"),
        ),
        (
            "http://app.spin.internal",
            "http://APP.spin.internal/x",
            chained("app"),
        ),
        (
            "http://app.spin.internal",
            "http://other.spin.internal/x",
            None,
        ),
        (
            "http://*.spin.internal",
            "http://app.spin.internal/x",
            chained("app"),
        ),
        // Never over the network, so that nobody else's name server is asked.
        (
            "http://*.spin.internal",
            "http://a.b.spin.internal/x",
            chained("a.b"),
        ),
        ("*://*:*", "https://app.spin.internal/x", chained("app")),
        (
            "http://self",
            "http://self.alt/x",
            Some(Target::Application),
        ),
        ("*://*:*", "/x", Some(Target::Application)),
        (
            "*://*:*",
            "http://ada:pw@a.example:81/x",
            network("a.example:81"),
        ),
        ("*://*:*", "http://0x7f.1/x", network("127.0.0.1")),
        ("*://*:*", "http://[::1]:81/x", network("[::1]:81")),
    ] {
        assert_eq!(target(allowed, uri), expected, "{allowed} {uri}");
    }
}

#[test]
fn who_reaches_a_component() {
    for (allowed, expected) in [
        ("http://app.spin.internal", true),
        ("https://app.spin.internal:8443", true),
        ("http://*.spin.internal", true),
        ("https://*", true),
        ("*://*:*", true),
        ("http://other.spin.internal", false),
        // That goes by the routes.
        ("http://self", false),
        ("http://a.example", false),
    ] {
        let hosts = AllowedHosts::parse([allowed]).unwrap();
        assert_eq!(hosts.reaches("app"), expected, "{allowed}");
    }
}

#[test]
fn what_is_not_served_is_refused() {
    for (text, reason) in [
        ("*", "no scheme"),
        ("a.example", "no scheme"),
        ("insecure:allow-all", "no scheme"),
        ("redis://a.example", "nothing but HTTP"),
        ("{http,https}://a.example", "nothing but HTTP"),
        ("*://a.example", "needs a port"),
        ("http://a.example/path", "a path"),
        ("http://a.example:x", "not a number"),
        ("http://a.example:65536", "not a number"),
        ("http://a.*.example", "wildcard"),
        ("http://a*.example", "wildcard"),
        ("http://*.*.example", "below"),
        ("http://*.192.0.2.1", "below"),
        ("http://192.0.2.0/33", "length"),
        ("http://:80", "not a name"),
    ] {
        let error = AllowedHosts::parse([text]).expect_err(text);
        assert!(error.contains(reason), "{text}: {error}");
        assert!(error.contains(text), "{text}: {error}");
    }
    assert!(AllowedHosts::parse(["", "http://"]).unwrap().0.is_empty());
}
