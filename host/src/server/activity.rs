//! What connections do, and which of them has to go when there is no room for another.
//!
//! A client can leave a connection idle, or send a header or a body byte by byte. None of that computes anything here, but
//! each takes the room of another client. So when there is no room, the connection that has been idle for the longest is
//! closed, of the network that has the most of them. Networks that have few keep theirs.
//!
//! If none has been idle for long, and one network has most of the connections, the newest of that has to go for a newcomer
//! of another, and newcomers of its own are turned away.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use latchkey_component::auth::ClientNetwork;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a connection is idle before it may have to go: longer than a client takes that sends one request after the other.
const IDLE: Duration = Duration::from_secs(1);

/// In [`Activity::idle_since`]: a request is with the component.
const BUSY: u64 = u64::MAX;

/// There: it has to go.
const CLOSED: u64 = u64::MAX - 1;

/// What one connection does.
pub(super) struct Activity {
    network: IpAddr,
    began: Instant,
    /// Since when it has been idle, in milliseconds after `began`, or one of the two values above.
    idle_since: AtomicU64,
    close: Notify,
}

impl Activity {
    /// Marks the connection as busy until the guard is dropped. Never returns if it has to go.
    pub(super) async fn busy(&self) -> impl Drop {
        struct Busy<'a>(&'a Activity);
        impl Drop for Busy<'_> {
            fn drop(&mut self) {
                let now = self.0.now();
                self.0.idle_since.store(now, Ordering::Relaxed);
            }
        }
        let mark = |since| (since != CLOSED).then_some(BUSY);
        let relaxed = Ordering::Relaxed;
        if self
            .idle_since
            .fetch_update(relaxed, relaxed, mark)
            .is_err()
        {
            std::future::pending::<()>().await;
        }
        Busy(self)
    }

    /// A part of a body has come or gone: if the connection was idle, it is so only since now.
    pub(super) fn touch(&self) {
        let relaxed = Ordering::Relaxed;
        let mark = |since| (since < CLOSED).then(|| self.now());
        let _ = self.idle_since.fetch_update(relaxed, relaxed, mark);
    }

    /// Returns when the connection has to go.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }

    /// Has it go, unless a request has come since `idle_since`.
    fn close(&self, idle_since: u64) {
        let relaxed = Ordering::Relaxed;
        let closed = (self.idle_since).compare_exchange(idle_since, CLOSED, relaxed, relaxed);
        if closed.is_ok() {
            self.close.notify_one();
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

/// The connections that are open.
pub(super) struct Room {
    size: usize,
    began: Instant,
    connections: Vec<Weak<Activity>>,
}

impl Room {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            began: Instant::now(),
            connections: Vec::new(),
        }
    }

    /// Adds a connection until what is returned is dropped. `None` if there is no room.
    pub(super) fn enter(&mut self, client: IpAddr) -> Option<Arc<Activity>> {
        if self.connections.len() >= self.size {
            self.connections.retain(|one| one.strong_count() > 0);
        }
        if self.connections.len() >= self.size {
            return None;
        }
        let activity = Arc::new(Activity {
            network: network(client),
            began: self.began,
            idle_since: AtomicU64::new(self.began.elapsed().as_millis() as u64),
            close: Notify::new(),
        });
        self.connections.push(Arc::downgrade(&activity));
        Some(activity)
    }

    /// Makes room for a connection of `newcomer`. Returns whether it should wait for that: not if its own network has most of
    /// the connections, and all of them are busy.
    pub(super) fn make_for(&self, newcomer: IpAddr) -> bool {
        if self.make() {
            return true;
        }
        let newcomer = network(newcomer);
        let open: Vec<_> = self.connections.iter().filter_map(Weak::upgrade).collect();
        let mut counts = HashMap::<_, usize>::new();
        for activity in &open {
            *counts.entry(activity.network).or_default() += 1;
        }
        let crowd = counts.into_iter().find(|(_, count)| *count > self.size / 2);
        let Some((crowd, _)) = crowd else {
            return true;
        };
        let mut theirs = open.iter().filter(|activity| activity.network == crowd);
        if crowd != newcomer {
            if let Some(newest) = theirs.next_back() {
                newest.idle_since.store(CLOSED, Ordering::Relaxed);
                newest.close.notify_one();
            }
            return true;
        }
        // Among themselves, one that was idle for a moment will do.
        let since = |activity: &&Arc<Activity>| activity.idle_since.load(Ordering::Relaxed);
        match theirs.min_by_key(since) {
            Some(activity) if since(&activity) < CLOSED => {
                activity.close(since(&activity));
                true
            }
            _ => false,
        }
    }

    /// Closes a connection that is idle, unless one is being closed. Returns whether there is either.
    pub(super) fn make(&self) -> bool {
        let mut idle = Vec::new();
        let mut counts = HashMap::<_, usize>::new();
        for activity in self.connections.iter().filter_map(Weak::upgrade) {
            match activity.idle_since.load(Ordering::Relaxed) {
                CLOSED => return true,
                BUSY => {}
                since if since + IDLE.as_millis() as u64 <= activity.now() => {
                    *counts.entry(activity.network).or_default() += 1;
                    idle.push((since, activity));
                }
                _ => {}
            }
        }
        let most = counts.values().copied().max();
        let chosen = idle
            .iter()
            .filter(|(_, activity)| counts.get(&activity.network).copied() == most)
            .min_by_key(|(since, _)| *since);
        if let Some((since, activity)) = chosen {
            activity.close(*since);
        }
        chosen.is_some()
    }
}

/// What one client can choose its addresses from.
fn network(address: IpAddr) -> IpAddr {
    ClientNetwork::from(address).address()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    fn enter(room: &mut Room, client: &str) -> Option<Arc<Activity>> {
        room.enter(client.parse().expect("an address"))
    }

    fn is_closed(activity: &Activity) -> bool {
        activity.closed().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_when_a_connection_has_ended() {
        let mut room = Room::new(2);
        let one = enter(&mut room, "192.0.2.1").expect("room");
        let _other = enter(&mut room, "192.0.2.1").expect("room");
        assert!(enter(&mut room, "192.0.2.2").is_none());
        drop(one);
        assert!(enter(&mut room, "192.0.2.2").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_of_who_has_the_most_has_to_go() {
        let mut room = Room::new(9);
        // The first is the oldest of all, and alone; the last two are of one network.
        let clients = ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"];
        let mut open = Vec::new();
        for client in clients {
            open.push(enter(&mut room, client).expect("room"));
            advance(IDLE).await;
        }
        room.make();
        assert_eq!(
            open.iter().map(|one| is_closed(one)).collect::<Vec<_>>(),
            [false, true, false, false]
        );
        // One at a time, until it is gone.
        room.make();
        assert!(!open.iter().any(|one| is_closed(one)));
        open.remove(1);
        room.make();
        assert_eq!(
            open.iter().map(|one| is_closed(one)).collect::<Vec<_>>(),
            [true, false, false]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_a_request_stays() {
        let mut room = Room::new(3);
        let [working, done, young] =
            std::array::from_fn(|_| enter(&mut room, "192.0.2.1").expect("room"));
        let _busy = working.busy().await;
        drop(done.busy().await);
        advance(IDLE / 2).await;
        drop(young.busy().await);
        advance(IDLE / 2).await;
        room.make();
        assert_eq!(
            [&working, &done, &young].map(|one| is_closed(one)),
            [false, true, false]
        );
        // Its next request is not begun.
        assert!(done.busy().now_or_never().is_none());
        drop(done);
        room.make();
        assert_eq!([&working, &young].map(|one| is_closed(one)), [false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_most_makes_room_for_others_and_waits_for_nobody() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let mut room = Room::new(3);
        let clients = ["192.0.2.1", "192.0.2.2", "192.0.2.1"];
        let open = clients.map(|client| enter(&mut room, client).expect("room"));
        let mut busy = Vec::new();
        for one in &open {
            busy.push(one.busy().await);
        }
        advance(IDLE).await;
        assert!(!room.make_for(address("192.0.2.1")));
        assert!(!open.iter().any(|one| is_closed(one)));
        assert!(room.make_for(address("192.0.2.3")));
        assert_eq!(
            open.iter().map(|one| is_closed(one)).collect::<Vec<_>>(),
            [false, false, true]
        );
    }

    #[test]
    fn networks() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(network(address).to_string(), expected);
        }
    }
}
