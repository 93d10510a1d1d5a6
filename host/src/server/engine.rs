//! The engine: how components are compiled, and what their instances may use.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{
    Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
};

use super::limits::Limits;
use super::start_error::{StartError, one_line};

/// How often busy instances are interrupted to let others run, and to see whether their time is up.
const TICK: Duration = Duration::from_millis(4);

/// An engine with a pool of instances, or without one where the machine does not have the address space for it.
///
/// `components` are those that are served, each middleware counted as one.
pub(super) fn new(limits: &Limits, components: usize) -> Result<Engine, StartError> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config.epoch_interruption(true);
    // A new instance shares the pages of the component's memory image until it writes to them.
    config.memory_init_cow(true);
    config.cache(cache());

    config.allocation_strategy(pool(limits, components));
    Engine::new(&config)
        .or_else(|error| {
            tracing::warn!("instances are allocated one by one: {error:#}");
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Engine::new(&config)
        })
        .map_err(|error| StartError::Engine(one_line(&error)))
}

/// How many instances of WASI 0.2, one for each request, a worker has at a time. Each may need the memory of a password hash.
pub(super) const PROXIES: usize = 8;

fn pool(limits: &Limits, components: usize) -> InstanceAllocationStrategy {
    let workers = limits.serving_workers as u32 + 1;
    // Twice as many as there are at a time: an instance that has ended may take a moment to go.
    let components = components as u32;
    let instances = workers * 2 * PROXIES as u32 * components;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances);
    // Each request that computes has a stack.
    pool.total_stacks(workers * 2 * 64 * components);
    pool.total_memories(instances);
    // A component is made of several core modules: the program, its adapters, and shims with a table each.
    pool.total_core_instances(instances * 8);
    pool.total_tables(instances * 4);
    pool.max_memory_size(limits.instance_memory);
    InstanceAllocationStrategy::Pooling(pool)
}

/// Where compiled components are kept between runs: the user's cache directory. Without one, if it cannot be written, or
/// if others can write to it, each start compiles.
fn cache() -> Option<Cache> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let directory =
        absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    let directory = directory.join("latchkey");
    match is_private(&directory) {
        Ok(true) => {}
        Ok(false) => {
            let directory = directory.display();
            tracing::warn!("compiled components are not kept: others can write to {directory}");
            return None;
        }
        Err(error) => {
            tracing::info!("compiled components are not kept: {error}");
            return None;
        }
    }
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    Cache::new(config)
        .inspect_err(|error| tracing::info!("compiled components are not kept: {error:#}"))
        .ok()
}

/// Makes the directory if it is missing. Whether only its owner, who is this user or root, can write to it: the files are
/// machine code, and nothing checks it before it runs.
fn is_private(directory: &Path) -> io::Result<bool> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let metadata = fs::metadata(directory)?;
    let owners = [rustix::process::geteuid().as_raw(), 0];
    Ok(owners.contains(&metadata.uid()) && metadata.mode() & 0o022 == 0)
}

pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, StartError> {
    let invalid = |why: &str| StartError::Component(why.to_owned());
    // The engine says as much, though not as plainly.
    if !bytes.starts_with(b"\0asm") {
        return Err(invalid("it is not WebAssembly at all"));
    } else if bytes.get(4..8) == Some(&[1, 0, 0, 0]) {
        return Err(invalid("it is a core module"));
    }
    Component::from_binary(engine, bytes).map_err(|error| invalid(&one_line(&error)))
}

/// Starts the thread that moves the engine's clock on. It ends when the engine is dropped.
pub(super) fn start_clock(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    });
}
