//! Accepts connections, and shuts down gracefully.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::activity::Room;
use super::connection::{self, Shared};

/// How long to wait when no connection can be accepted, or when none can be closed to make room for one.
const PAUSE: Duration = Duration::from_millis(50);

/// The errors of a process and of a system without a file descriptor left, on Linux and macOS.
const NO_DESCRIPTORS: [i32; 2] = [24, 23];

pub(super) async fn serve(
    shared: &Arc<Shared>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let mut room = Room::new(shared.limits.connections);
    let (begin_shutdown, shutdown_begun) = watch::channel(false);
    // Ends the connections that are still there when this function returns or is dropped.
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut workers = (0..shared.serving_threads.len()).cycle();
    let mut waiting = None;
    let Ok(address) = listener.local_addr() else {
        return;
    };
    loop {
        if let Some((stream, client)) = waiting.take() {
            match (room.enter(SocketAddr::ip(&client)), workers.next()) {
                (Some(activity), Some(worker)) => {
                    let runtime = &shared.serving_threads[worker].runtime;
                    let (shared, shutdown) = (shared.clone(), shutdown_begun.clone());
                    let serving = connection::serve(
                        shared, worker, stream, client, address, activity, shutdown,
                    );
                    connections.spawn_on(serving, runtime);
                }
                _ if room.make_for(client.ip()) => waiting = Some((stream, client)),
                _ => {}
            }
        }
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            () = sleep(PAUSE), if waiting.is_some() => {}
            accepted = accept(&listener, &room), if waiting.is_none() => waiting = Some(accepted),
        }
    }

    drop(listener);
    begin_shutdown.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(shared.limits.shutdown_time, all)
        .await
        .is_err()
    {
        tracing::warn!("{} connections are cut off", connections.len());
    }
}

/// The next connection. As a stream of the standard library, it can move to the runtime of a worker.
async fn accept(listener: &TcpListener, room: &Room) -> (TcpStream, SocketAddr) {
    loop {
        let accepted = listener.accept().await;
        match accepted.and_then(|(stream, client)| Ok((stream.into_std()?, client))) {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                if (error.raw_os_error()).is_some_and(|code| NO_DESCRIPTORS.contains(&code)) {
                    room.make();
                }
                sleep(PAUSE).await;
            }
        }
    }
}
