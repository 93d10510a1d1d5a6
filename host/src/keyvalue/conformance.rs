//! What every backend must do, as one test over two handles of the same store.

use std::sync::Arc;

use super::{Backend, BackendError, Swap};

/// A counter as Spin stores it, except in Redis.
pub fn little_endian(counter: i64) -> Vec<u8> {
    counter.to_le_bytes().to_vec()
}

/// Runs the whole suite; `one` and `other` must be handles of one store, or the same handle twice. `stored` is how the
/// backend stores a counter.
pub async fn run(one: Arc<dyn Backend>, other: Arc<dyn Backend>, stored: impl Fn(i64) -> Vec<u8>) {
    reads_what_was_written(&*one, &*other).await;
    swaps_only_what_was_seen(&*one, &*other).await;
    counts(&*one, &*other, stored(-2)).await;
    only_one_first_writer_wins(&one, &other).await;
    no_swap_is_lost(&one, &other).await;
    increments_add_up(&one, &other).await;
    lists_what_is_there(&*one, &*other).await;
}

async fn reads_what_was_written(one: &dyn Backend, other: &dyn Backend) {
    assert_eq!(one.get("absent").await, Ok(None));
    for value in [
        b"".to_vec(),
        b"text".to_vec(),
        vec![0, 255, 0],
        vec![7; 300_000],
    ] {
        assert_eq!(one.set("k\u{e9}y", value.clone()).await, Ok(()));
        assert_eq!(other.get("k\u{e9}y").await, Ok(Some(value)));
    }
}

async fn swaps_only_what_was_seen(one: &dyn Backend, other: &dyn Backend) {
    let (a, b) = (b"a".to_vec(), b"b".to_vec());
    let steps = [
        (Some(a.clone()), b.clone(), Swap::Lost),
        (None, a.clone(), Swap::Stored),
        (None, b.clone(), Swap::Lost),
        (Some(b.clone()), b.clone(), Swap::Lost),
        (Some(a.clone()), b.clone(), Swap::Stored),
        (Some(b.clone()), b.clone(), Swap::Stored),
        (Some(b"".to_vec()), a.clone(), Swap::Lost),
    ];
    for (step, (expected, value, outcome)) in steps.into_iter().enumerate() {
        let answer = one.compare_and_swap("swapped", expected, value).await;
        assert_eq!(answer, Ok(outcome), "step {step}");
    }
    assert_eq!(other.get("swapped").await, Ok(Some(b)));
}

async fn counts(one: &dyn Backend, other: &dyn Backend, minus_two: Vec<u8>) {
    assert_eq!(one.increment("counter", 5).await, Ok(5));
    assert_eq!(other.increment("counter", -7).await, Ok(-2));
    assert_eq!(one.get("counter").await, Ok(Some(minus_two)));

    let text = b"not a counter".to_vec();
    assert_eq!(one.set("text", text.clone()).await, Ok(()));
    let refused = one.increment("text", 1).await;
    assert_eq!(refused, Err(BackendError::NotACounter));
    assert_eq!(one.get("text").await, Ok(Some(text)));

    assert_eq!(one.increment("large", i64::MAX).await, Ok(i64::MAX));
    let refused = one.increment("large", 1).await;
    assert_eq!(refused, Err(BackendError::CounterOverflow));
    assert_eq!(one.increment("large", -1).await, Ok(i64::MAX - 1));
}

/// More keys than a backend lists in one step.
async fn lists_what_is_there(one: &dyn Backend, other: &dyn Backend) {
    let sorted = |mut keys: Vec<String>| {
        keys.sort();
        keys
    };
    for key in one.list_keys().await.expect("a list") {
        assert_eq!(other.delete(&key).await, Ok(()));
        assert_eq!(one.get(&key).await, Ok(None));
    }
    assert_eq!(one.list_keys().await, Ok(Vec::new()));
    assert_eq!(one.delete("absent").await, Ok(()));
    let keys: Vec<String> = (0..1_100)
        .map(|number| format!("k\u{e9}y {number}"))
        .collect();
    for key in &keys {
        assert_eq!(one.set(key, b"value".to_vec()).await, Ok(()));
    }
    let listed = other.list_keys().await.expect("a list");
    assert_eq!(sorted(listed), sorted(keys.clone()));
    assert_eq!(one.delete(&keys[7]).await, Ok(()));
    assert_eq!(other.get(&keys[7]).await, Ok(None));
    let listed = other.list_keys().await.expect("a list");
    assert_eq!(listed.len(), keys.len() - 1);
    assert!(!listed.contains(&keys[7]));
}

/// 16 tasks, half of them on each handle.
async fn together<F, T>(one: &Arc<dyn Backend>, other: &Arc<dyn Backend>, each: F) -> Vec<T>
where
    F: AsyncFn(Arc<dyn Backend>, u8) -> T + Copy + Send + Sync + 'static,
    T: Send + 'static,
{
    let runtime = tokio::runtime::Handle::current();
    let threads: Vec<_> = (0..16)
        .map(|number| {
            let store = if number % 2 == 0 { one } else { other }.clone();
            let runtime = runtime.clone();
            std::thread::spawn(move || runtime.block_on(each(store, number)))
        })
        .collect();
    tokio::task::spawn_blocking(|| {
        let join = |thread: std::thread::JoinHandle<T>| thread.join().expect("no panic");
        threads.into_iter().map(join).collect()
    })
    .await
    .expect("no panic")
}

async fn only_one_first_writer_wins(one: &Arc<dyn Backend>, other: &Arc<dyn Backend>) {
    let wins = together(one, other, async |store, number| {
        let mut wins = Vec::new();
        for round in 0..20 {
            let key = format!("first {round}");
            let outcome = store.compare_and_swap(&key, None, vec![number]).await;
            if outcome.expect("a swap") == Swap::Stored {
                wins.push((round, number));
            }
        }
        wins
    })
    .await;
    let mut wins: Vec<_> = wins.into_iter().flatten().collect();
    wins.sort_unstable();
    assert!(wins.iter().map(|(round, _)| *round).eq(0..20), "{wins:?}");
    for (round, number) in wins {
        let stored = other.get(&format!("first {round}")).await;
        assert_eq!(stored, Ok(Some(vec![number])));
    }
}

async fn no_swap_is_lost(one: &Arc<dyn Backend>, other: &Arc<dyn Backend>) {
    together(one, other, async |store, number| {
        for _ in 0..10 {
            loop {
                let seen = store.get("list").await.expect("a read");
                let mut longer = seen.clone().unwrap_or_default();
                longer.push(number);
                let outcome = store.compare_and_swap("list", seen, longer).await;
                match outcome.expect("a swap") {
                    Swap::Stored => break,
                    Swap::Lost => tokio::task::yield_now().await,
                }
            }
        }
    })
    .await;
    let list = one.get("list").await.expect("a read").expect("a value");
    assert_eq!(list.len(), 160);
    for number in 0..16 {
        assert_eq!(list.iter().filter(|n| **n == number).count(), 10);
    }
}

async fn increments_add_up(one: &Arc<dyn Backend>, other: &Arc<dyn Backend>) {
    let sums = together(one, other, async |store, _| {
        let mut sums = Vec::new();
        for _ in 0..10 {
            sums.push(store.increment("sum", 3).await.expect("a sum"));
        }
        sums
    })
    .await;
    let mut sums: Vec<_> = sums.into_iter().flatten().collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=160).map(|n| n * 3).collect::<Vec<_>>());
}
