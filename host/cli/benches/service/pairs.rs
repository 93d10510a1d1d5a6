//! Runs in pairs, and medians of them.

/// How many pairs of runs a row is the median of.
pub const PAIRS: usize = 5;

/// Runs `host` and `other` in turn. The first pair warms both up and does not count.
pub fn in_turn<T>(mut host: impl FnMut() -> T, mut other: impl FnMut() -> T) -> Vec<(T, T)> {
    drop((host(), other()));
    (0..PAIRS).map(|_| (host(), other())).collect()
}

/// The one in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
