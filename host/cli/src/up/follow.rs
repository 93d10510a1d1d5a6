//! Files of variables that change while the server runs.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use latchkey_host::server::{Server, StartError};
use latchkey_host::variables::Variables;
use latchkey_host::variables::watch::Watch;

/// How often the files are looked at. A change is taken at the second look that finds it.
const PERIOD: Duration = Duration::from_secs(1);

/// Gives the server new variables whenever files have changed, in a thread of its own: a disk that does not answer holds up
/// nobody. Files that cannot be read or used change nothing, and are logged once.
pub fn files(
    mut watch: Watch,
    resolve: impl Fn() -> anyhow::Result<Vec<Variables>> + Send + 'static,
    server: Arc<Server>,
) -> io::Result<()> {
    if watch.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let follow = move || {
        let mut again = false;
        loop {
            thread::sleep(PERIOD);
            let changed = watch.changed();
            let tries_again = again && watch.are_still();
            if !changed && !tries_again {
                continue;
            }
            let problem = match resolve() {
                Ok(variables) => match runtime.block_on(server.reconfigure(variables)) {
                    Ok(()) => {
                        again = false;
                        tracing::info!("the configuration has changed, and is in use");
                        continue;
                    }
                    Err(StartError::Configuration(problem)) => {
                        again = false;
                        problem
                    }
                    Err(_) if again => continue,
                    // It says nothing of the configuration.
                    Err(error) => {
                        again = true;
                        tracing::error!(
                            "the configuration has changed, and cannot be tried yet: {error}"
                        );
                        continue;
                    }
                },
                Err(_) if again && !changed => continue,
                // It may pass, and nothing shows in the files when it has: the system may lack descriptors.
                Err(error) => {
                    again = true;
                    server.refuse_variables();
                    error.to_string()
                }
            };
            tracing::error!(
                "the configuration has changed, and the one before stays in use: {problem}"
            );
        }
    };
    thread::Builder::new()
        .name("configuration".to_owned())
        .spawn(follow)?;
    Ok(())
}
