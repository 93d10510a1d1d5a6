//! A scheduler whose choices a seed determines: which task runs next, how long operations take, what fails.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use latchkey_component::ports::{Clock, Random};
use latchkey_component::token::Timestamp;

/// The time at which every simulation begins.
pub const BEGIN: Duration = Duration::from_secs(1_700_000_000);

/// The clock, the generator, and the times at which tasks want to wake.
#[derive(Debug)]
pub struct Simulation {
    state: Cell<u64>,
    now: Cell<Duration>,
    /// When the task that is being polled wants to be polled again.
    wake_at: Cell<Duration>,
}

impl Simulation {
    pub fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self {
            state: Cell::new(seed),
            now: Cell::new(BEGIN),
            wake_at: Cell::new(BEGIN),
        })
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    pub fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`.
    pub fn below(&self, end: u64) -> u64 {
        self.next() % end
    }

    /// The simulated time.
    pub fn now(&self) -> Duration {
        self.now.get()
    }

    /// Whether something happens that does in `percent` of a hundred cases.
    pub fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Lets `pause` of simulated time go by.
    pub async fn sleep(&self, pause: Duration) {
        let until = self.now.get() + pause;
        let mut polled = false;
        poll_fn(|_| {
            if polled && self.now.get() >= until {
                return Poll::Ready(());
            }
            polled = true;
            self.wake_at.set(until);
            Poll::Pending
        })
        .await;
    }

    /// Lets others run: for no time, for a moment, or, rarely, for long.
    pub async fn delay(&self) {
        match self.below(20) {
            0..8 => {}
            8..14 => self.sleep(Duration::ZERO).await,
            14..19 => self.sleep(Duration::from_micros(self.below(5_000))).await,
            _ if self.below(10) > 0 => self.sleep(Duration::from_millis(self.below(400))).await,
            _ => self.sleep(Duration::from_millis(self.below(4_000))).await,
        }
    }

    /// Runs `tasks` until all have ended. With `kills`, drops some of them before.
    ///
    /// # Panics
    ///
    /// If they have not ended after so many steps that they never will.
    pub fn run(&self, tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>, kills: bool) {
        let mut tasks: Vec<_> = tasks
            .into_iter()
            .map(|task| (self.now.get(), task))
            .collect();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..1_000_000 {
            let Some(earliest) = tasks.iter().map(|(wake_at, _)| *wake_at).min() else {
                return;
            };
            self.now.set(self.now.get().max(earliest));
            let ready: Vec<usize> = (0..tasks.len())
                .filter(|index| tasks[*index].0 <= self.now.get())
                .collect();
            let index = ready[self.below(ready.len() as u64) as usize];
            if kills && self.below(200) == 0 {
                drop(tasks.swap_remove(index));
                continue;
            }
            self.wake_at.set(self.now.get());
            match tasks[index].1.as_mut().poll(&mut context) {
                Poll::Ready(()) => drop(tasks.swap_remove(index)),
                Poll::Pending => tasks[index].0 = self.wake_at.get(),
            }
        }
        panic!("the tasks never end");
    }
}

/// The clock and the randomness of one instance.
#[derive(Clone, Debug)]
pub struct SimulatedPorts(pub Rc<Simulation>);

impl Clock for SimulatedPorts {
    fn now(&self) -> Timestamp {
        Timestamp::new(self.0.now.get())
    }

    async fn sleep(&self, pause: Duration) {
        self.0.sleep(pause).await;
    }
}

impl Random for SimulatedPorts {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.next() as u8;
        }
    }
}

/// What clients were told, in order.
pub type Log<T> = Rc<RefCell<Vec<T>>>;
