//! The threads that serve.
//!
//! Each runs the tasks that it is given and nobody else's: a connection and the instance that serves it stay on one
//! processor, and no thread is woken for what another has at hand. One thread is apart: it has no connections, so what
//! takes long there keeps nobody from being heard.

use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread for connections and instances; see [`Threads::serving`].
pub(super) type Home = usize;

/// The threads. They end when this is dropped, and with them all of their tasks.
pub(super) struct Threads {
    apart: Thread,
    serving: Vec<Thread>,
}

struct Thread {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

impl Threads {
    /// Starts one thread apart and `serving` others, which is at least one.
    pub(super) fn start(serving: usize) -> std::io::Result<Self> {
        Ok(Self {
            apart: Thread::start("latchkey-apart")?,
            serving: (0..serving.max(1))
                .map(|_| Thread::start("latchkey-serving"))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The thread without connections.
    pub(super) fn apart(&self) -> &Handle {
        &self.apart.handle
    }

    /// One of the others; they are numbered from 0, and the numbers go round.
    pub(super) fn serving(&self, home: Home) -> &Handle {
        &self.serving[home % self.serving.len()].handle
    }

    /// How many others there are.
    pub(super) fn count(&self) -> usize {
        self.serving.len()
    }
}

impl Thread {
    fn start(name: &str) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _: Result<(), _> = runtime.block_on(stopped);
                // What waits for a disk or a network in a thread of its own is not waited for.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            _stop: stop,
        })
    }
}
