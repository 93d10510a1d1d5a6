//! Compare-and-swaps that are still going on.
//!
//! A component calls `swap` synchronously: were it to wait for the disk, so would every other request in the instance, and
//! there would be nothing to commit together. So `swap` only begins the write, and whoever reads the key in the same
//! instance waits until the write is over, which keeps nobody else. Latchkey reads after each swap, since it trusts no
//! answer of one; it acknowledges nothing before that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The writes of one instance, by key.
#[derive(Clone, Default)]
pub struct Writes(Arc<Mutex<HashMap<String, Vec<Going>>>>);

/// Closed when the write is over.
type Going = watch::Receiver<()>;

impl Writes {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Going>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `write`, of `key`, to its end, whether or not anybody waits for it.
    pub(super) fn begin(&self, key: String, write: impl Future<Output = ()> + Send + 'static) {
        let (over, going) = watch::channel(());
        self.lock().entry(key.clone()).or_default().push(going);
        let writes = self.clone();
        tokio::spawn(async move {
            // Also if the write panics: nobody may wait for ever.
            let over = Over { writes, key, over };
            write.await;
            drop(over);
        });
    }

    /// Waits until the writes of `key` that have begun are over.
    pub(super) async fn settled(&self, key: &str) {
        let going = self.lock().get(key).cloned().unwrap_or_default();
        for mut going in going {
            // Nothing is ever sent: it ends by being closed.
            while going.changed().await.is_ok() {}
        }
    }
}

struct Over {
    writes: Writes,
    key: String,
    over: watch::Sender<()>,
}

impl Drop for Over {
    fn drop(&mut self) {
        let mut writes = self.writes.lock();
        if let Some(going) = writes.get_mut(&self.key) {
            going.retain(|going| !going.same_channel(&self.over.subscribe()));
            if going.is_empty() {
                writes.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_read_waits_for_the_writes_of_its_key() {
        let writes = Writes::default();
        let (finish, finished) = oneshot::channel::<()>();
        writes.begin("a".into(), async { drop(finished.await) });
        writes.settled("b").await;
        let waiting = tokio::spawn({
            let writes = writes.clone();
            async move { writes.settled("a").await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        finish.send(()).expect("the write waits for it");
        waiting.await.expect("the read goes on");
        writes.settled("a").await;
        assert!(writes.lock().is_empty());
    }

    #[tokio::test]
    async fn a_write_that_panics_is_over() {
        let writes = Writes::default();
        writes.begin("a".into(), async { panic!("on purpose") });
        writes.settled("a").await;
        tokio::task::yield_now().await;
        assert!(writes.lock().is_empty());
    }
}
