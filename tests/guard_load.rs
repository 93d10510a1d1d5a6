//! The guard, over the host: many requests, and large ones.

use std::io::{Read, Write};
use std::thread;

use crate::guarded::{example, example_alone, get, issue};
use crate::raw::{Raw, head};
use crate::server::host_only;

#[test]
fn a_thousand_requests_at_once() {
    if !host_only("an application of its own") {
        return;
    }
    let server = example();
    let user = server.user();
    let token = issue(server, &user.name, "many", "notes");
    let bearer = format!("Authorization: Bearer {token}");
    let statuses: Vec<_> = thread::scope(|scope| {
        let send = |number: usize| {
            let bearer = &bearer;
            // Every other one has no good token.
            move || match number % 2 {
                0 => get(server, "/notes/1", &[bearer]).status,
                _ => get(server, "/notes/1", &[&format!("{bearer}x")]).status,
            }
        };
        let clients: Vec<_> = (0..1_000).map(|number| scope.spawn(send(number))).collect();
        let clients = clients.into_iter();
        clients
            .map(|client| client.join().expect("a client"))
            .collect()
    });
    for (number, status) in statuses.into_iter().enumerate() {
        assert_eq!(status, [200, 401][number % 2], "{number}");
    }
}

#[test]
fn a_hundred_megabytes_stream_through() {
    if !host_only("an application of its own") {
        return;
    }
    const LENGTH: usize = 100 << 20;
    let server = &example_alone();
    let user = server.user();
    let token = issue(server, &user.name, "large", "notes");
    let lines = [
        format!("Authorization: Bearer {token}"),
        format!("Content-Length: {LENGTH}"),
        "Connection: close".to_owned(),
    ];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let before = server.peak_memory();
    let mut raw = Raw::connect(server);
    raw.send(head(server, "POST /notes/echo", &lines));
    let mut writer = raw.writer();
    let sender = thread::spawn(move || {
        let chunk = vec![b'~'; 64 << 10];
        for _ in 0..LENGTH / chunk.len() {
            writer.write_all(&chunk).expect("the server reads");
        }
    });
    let mut reader = raw.writer();
    let mut bytes = vec![0; 64 << 10];
    let mut seen = 0;
    loop {
        match reader.read(&mut bytes).expect("the server answers") {
            0 => break,
            length => seen += bytes[..length].iter().filter(|byte| **byte == b'~').count(),
        }
    }
    sender.join().expect("all was sent");
    assert_eq!(seen, LENGTH);
    let more = server.peak_memory() - before;
    assert!(more < LENGTH as u64 / 2, "{more} bytes more");
}
