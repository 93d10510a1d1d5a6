//! Threads that run only the tasks that they are given: a connection and its instance stay on one processor.

use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with a runtime of its own. When this is dropped, it ends with all of its tasks.
pub(super) struct Thread {
    pub(super) runtime: Handle,
    _stop: oneshot::Sender<()>,
}

impl Thread {
    pub(super) fn start(name: String) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        thread::Builder::new().name(name).spawn(move || {
            let _: Result<(), _> = runtime.block_on(stopped);
            // A blocking call that waits for a disk or a network is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            runtime: handle,
            _stop: stop,
        })
    }
}
