//! `Lifetime` itself; what it reads, what it refuses, and the properties behind both are in the modules below.

mod accepted;
mod properties;
mod refused;

use super::{Lifetime, LifetimeError};

fn seconds(input: &str) -> Result<u64, String> {
    input
        .parse()
        .map(Lifetime::as_secs)
        .map_err(|error: LifetimeError| error.to_string())
}

fn lifetime(secs: u64) -> Lifetime {
    Lifetime::from_secs(secs).unwrap()
}

#[test]
fn from_secs_refuses_only_zero() {
    assert_eq!(Lifetime::from_secs(0), Err(LifetimeError::Zero));
    assert_eq!(lifetime(1).as_secs(), 1);
    assert_eq!(lifetime(u64::MAX).as_secs(), u64::MAX);
}

#[test]
fn at_most_names_the_limit_in_words() {
    let max = lifetime(366 * 86_400);
    assert_eq!(max.at_most(max), Ok(max));
    assert_eq!(lifetime(1).at_most(max), Ok(lifetime(1)));
    let error = lifetime(366 * 86_400 + 1).at_most(max).unwrap_err();
    assert_eq!(error, LifetimeError::AboveMaximum(max));
    assert_eq!(error.to_string(), "must not be longer than 366 days");
}

#[test]
fn displays_in_words() {
    for (secs, words) in [
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (90, "1 minute 30 seconds"),
        (5_400, "1 hour 30 minutes"),
        (21_600, "6 hours"),
        (86_400, "1 day"),
        (90_061, "1 day 1 hour 1 minute 1 second"),
        (31_622_400, "366 days"),
        (u64::MAX, "213503982334601 days 7 hours 15 seconds"),
    ] {
        assert_eq!(lifetime(secs).to_string(), words);
    }
}
