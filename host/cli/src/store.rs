//! `latchkey store`: makes a store ready, and copies one to another.

use anyhow::{Context, anyhow};
use latchkey_component::secret::Secret;
use latchkey_host::keyvalue::copy::copy;
use latchkey_host::keyvalue::store_url::StoreUrl;

use crate::args::Store;
use crate::failure::{Failure, usage};
use crate::terminal::print;

pub fn run(command: &Store) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match command {
        Store::Init { store } => {
            let store = parse(store)?;
            if store == StoreUrl::Memory {
                return Err(usage(anyhow!(
                    "a store in memory is gone when a server ends"
                )));
            }
            runtime.block_on(store.open())?;
            print("The store is ready.")?;
        }
        Store::Copy { from, to } => {
            let (from, to) = (parse(from)?, parse(to)?);
            let keys = runtime.block_on(copy(&from, &to))?;
            print(&format!("Copied and verified {keys} keys."))?;
        }
    }
    Ok(())
}

/// The store of an argument, or of the file that it names: all users of this machine can see a password in an argument.
pub fn parse(argument: &Secret) -> Result<StoreUrl, Failure> {
    match argument.expose().strip_prefix('@') {
        None => argument.expose().parse().map_err(usage),
        Some(file) => {
            let url = std::fs::read_to_string(file).map(Secret::from);
            let url = url.with_context(|| format!("cannot read the file {file}"))?;
            url.expose().parse().map_err(usage)
        }
    }
}
