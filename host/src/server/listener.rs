//! Accepts connections, and shuts down gracefully.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::connection::{self, Shared};

/// How long to wait when no connection can be accepted, as when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn serve(
    shared: &Arc<Shared>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let permits = Arc::new(Semaphore::new(shared.limits.connections));
    let (begin_shutdown, shutdown_begun) = watch::channel(false);
    // Ends the connections that are still there when this function returns or is dropped.
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut workers = (0..shared.serving_threads.len()).cycle();
    loop {
        let (permit, (stream, client)) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some(worker) = workers.next() else { break };
        let runtime = &shared.serving_threads[worker].runtime;
        let (shared, shutdown) = (shared.clone(), shutdown_begun.clone());
        let serving = async move {
            connection::serve(shared, worker, stream, client, shutdown).await;
            drop(permit);
        };
        connections.spawn_on(serving, runtime);
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

type Accepted = (
    tokio::sync::OwnedSemaphorePermit,
    (std::net::TcpStream, std::net::SocketAddr),
);

/// The next connection, once there is a permit for it.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> Accepted {
    loop {
        let permit = permits.clone().acquire_owned().await;
        // As a stream of the standard library, it can move to the runtime of a worker.
        let accepted = listener.accept().await;
        let accepted = accepted.and_then(|(stream, client)| Ok((stream.into_std()?, client)));
        match (permit, accepted) {
            (Ok(permit), Ok(accepted)) => return (permit, accepted),
            (_, Err(error)) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            // Nobody closes the semaphore.
            (Err(_), Ok(_)) => {}
        }
    }
}
