//! A stretch of network between a client and a server, on which answers can get lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::server::Server;

pub struct Relay {
    /// Where clients find it: `http://127.0.0.1:1234`.
    pub url: String,
    way: Arc<Mutex<Way>>,
}

/// What happens to those who come.
struct Way {
    /// Host and port of the server.
    to: String,
    /// Requests arrive at it, answers do not.
    loses_answers: bool,
    /// Connections, to be closed when the way changes.
    open: Vec<TcpStream>,
}

impl Relay {
    /// Leads to `server`, until the test process ends.
    pub fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let way = Arc::new(Mutex::new(Way {
            to: server.authority().to_owned(),
            loses_answers: false,
            open: Vec::new(),
        }));
        let relay = Self {
            url: format!("http://{address}"),
            way: Arc::clone(&way),
        };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client who hears nothing will see that for itself.
                let _ = pass_on(client, &way);
            }
        });
        relay
    }

    /// Leads to another server from now on.
    pub fn lead_to(&self, server: &Server) {
        let mut way = lock(&self.way);
        server.authority().clone_into(&mut way.to);
        for connection in way.open.drain(..) {
            // It may have been closed already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Loses all answers from now on, or none.
    pub fn lose_answers(&self, loses_answers: bool) {
        lock(&self.way).loses_answers = loses_answers;
    }
}

fn lock(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
    way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connects `client` with the server, in both directions.
fn pass_on(client: TcpStream, way: &Arc<Mutex<Way>>) -> std::io::Result<()> {
    let server = TcpStream::connect(&lock(way).to)?;
    lock(way).open.push(client.try_clone()?);
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let way = Arc::clone(way);
    thread::spawn(move || {
        let _ = answer(client, server, &way);
    });
    Ok(())
}

fn answer(mut client: TcpStream, mut server: TcpStream, way: &Mutex<Way>) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let length = server.read(&mut bytes)?;
        if length == 0 || lock(way).loses_answers {
            return client.shutdown(Shutdown::Both);
        }
        client.write_all(&bytes[..length])?;
    }
}
