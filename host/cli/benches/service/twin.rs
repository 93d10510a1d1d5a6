//! The native twin: the service of the component behind hyper, over the same SQLite store, without Wasm.
//!
//! It is what the host would be if the component were a library: on the wire it does the same, with the same settings of
//! hyper. It leaves out what the host has because of Wasm, or because somebody may mean it harm: limits of connections and
//! requests, timeouts of requests, a shutdown with grace.
//!
//! A service is for one thread, as it is for one instance. So there is a thread for each processor, each with a service and
//! a runtime of its own, and connections go to them in turn.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use latchkey_component::api::headers::REQUEST_ID;
use latchkey_component::api::{self, BodyError, RequestBody};
use latchkey_component::config::Config;
use latchkey_component::ports::{Clock, Random};
use latchkey_component::service::Service;
use latchkey_component::store::{AtomicKeyValue, Change, Documents, KeyValue, KeyValueError};
use latchkey_component::token::Timestamp;
use latchkey_host::keyvalue::sqlite::Sqlite;
use latchkey_host::keyvalue::{Backend, BackendError};
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// The first argument that makes this program the twin. The second is the file of its store.
pub const COMMAND: &str = "twin";

/// Where host and twin read these variables. All others have their defaults.
pub const USERS: &str = "SPIN_VARIABLE_USERS";
pub const SIGNING_KEYS: &str = "SPIN_VARIABLE_SIGNING_KEYS";

/// As the host has it.
const HEADER_TIME: Duration = Duration::from_secs(30);
const BUFFER: usize = 64 << 10;

type NativeService = Service<Documents<(KeyValues, SystemClock, SecureRandom)>>;

/// Serves until the process is killed.
pub fn run(store: &Path) {
    let variable = |name| match name {
        "users" => std::env::var(USERS).ok(),
        "signing_keys" => std::env::var(SIGNING_KEYS).ok(),
        _ => None,
    };
    let config = Config::from_variables(variable).unwrap();
    let backend = Arc::new(Sqlite::open(store).unwrap());
    let workers: Vec<_> = (0..thread::available_parallelism().unwrap().get())
        .map(|_| {
            let (connections, queue) = mpsc::unbounded_channel();
            let (config, backend) = (config.clone(), backend.clone());
            thread::spawn(move || work(config, backend, queue));
            connections
        })
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("Listening on http://{}", listener.local_addr().unwrap());
    for worker in workers.iter().cycle() {
        let (connection, _) = listener.accept().unwrap();
        worker.send(connection).unwrap();
    }
}

/// Serves the connections of one thread.
fn work(config: Config, backend: Arc<dyn Backend>, mut queue: UnboundedReceiver<TcpStream>) {
    let service = Service::new(
        config,
        Documents::new((KeyValues(backend), SystemClock, SecureRandom)),
    );
    let service = Rc::new(service);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        while let Some(connection) = queue.recv().await {
            tokio::task::spawn_local(serve(service.clone(), connection));
        }
    });
}

async fn serve(service: Rc<NativeService>, connection: TcpStream) {
    connection.set_nodelay(true).unwrap();
    connection.set_nonblocking(true).unwrap();
    let connection = tokio::net::TcpStream::from_std(connection).unwrap();
    let answer = service_fn(|mut request: Request<Incoming>| async {
        let id = request_id();
        request.headers_mut().insert(REQUEST_ID, id.clone());
        let handled = api::handle(Ok(&*service), request.map(Body)).await;
        let mut response = handled.response;
        response.headers_mut().insert(REQUEST_ID, id);
        if let Some(line) = handled.log_line {
            eprintln!("twin: {line}");
        }
        if handled.notes_use {
            let service = service.clone();
            tokio::task::spawn_local(async move { service.write_uses().await });
        }
        Ok::<_, Infallible>(response.map(Full::new))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(BUFFER)
        .half_close(true)
        .serve_connection(TokioIo::new(connection), answer)
        .await;
    // wrk ends with requests under way.
    drop(served);
}

struct Body(Incoming);

impl RequestBody for Body {
    async fn read(self, limit: usize) -> Result<Bytes, BodyError> {
        match Limited::new(self.0, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
            Err(_) => Err(BodyError::Incomplete),
        }
    }
}

/// As the host's: one for each request, in the answer too.
fn request_id() -> HeaderValue {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = KEY.hash_one(NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(format!("{id:016x}")).unwrap()
}

struct KeyValues(Arc<dyn Backend>);

impl KeyValue for KeyValues {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.0.get(key).await.map_err(failed)
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.0.set(key, value).await.map_err(failed)
    }
}

impl AtomicKeyValue for KeyValues {
    async fn compare_and_swap(
        &self,
        key: &str,
        change: &mut Change<'_>,
    ) -> Result<(), KeyValueError> {
        let current = self.get(key).await?;
        let Some(value) = change(current.as_deref()) else {
            return Ok(());
        };
        let swapped = self.0.compare_and_swap(key, current, value).await;
        swapped.map(drop).map_err(failed)
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, KeyValueError> {
        self.0.increment(key, delta).await.map_err(failed)
    }
}

fn failed(error: BackendError) -> KeyValueError {
    KeyValueError(error.to_string())
}

#[derive(Clone, Copy)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp::new(now.unwrap_or_default())
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

#[derive(Clone, Copy)]
struct SecureRandom;

impl Random for SecureRandom {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}
