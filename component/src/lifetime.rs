//! Human durations: how long a token lives, as people write it.
//!
//! [`Lifetime`] is parsed from the union of two grammars: that of Python's `pytimeparse`, which users of Specter
//! Desktop already type, and that of the crate `humantime`. Case does not matter.
//!
//! | input | meaning |
//! |---|---|
//! | `6 hours`, `1h30m`, `1 hour, 30 minutes`, `1h/30m`, `1.5 hours`, `.5h` | numbers with units: any order, repeats add |
//! | `:22`, `1:30`, `1:30:00`, `2:04:13:02`, `2-04:13:02` | clocks: the last field is seconds |
//! | `2 days, 4:13:02` | weeks and days, then a clock |
//! | `360` | seconds |
//!
//! Where the two grammars disagree the input is refused: `M` is a month to one and a minute to the other. Arithmetic is
//! exact, and a total that is not a whole number of seconds is refused, never rounded.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use parse::MAX_CHARS;

/// How long a token lives, in whole seconds, never zero.
///
/// `Display` writes it in words (`1 hour 30 minutes`), which [`FromStr`] reads back as the same lifetime.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Lifetime(NonZeroU64);

impl Lifetime {
    /// A lifetime of `secs` seconds.
    ///
    /// # Errors
    ///
    /// [`LifetimeError::Zero`] if `secs` is 0.
    pub fn from_secs(secs: u64) -> Result<Self, LifetimeError> {
        NonZeroU64::new(secs).map(Self).ok_or(LifetimeError::Zero)
    }

    /// The number of seconds, at least 1.
    pub const fn as_secs(self) -> u64 {
        self.0.get()
    }

    /// The same lifetime, if it is no longer than `max`.
    ///
    /// # Errors
    ///
    /// [`LifetimeError::AboveMaximum`] if it is longer; the error names `max` in words.
    pub fn at_most(self, max: Self) -> Result<Self, LifetimeError> {
        if self <= max {
            Ok(self)
        } else {
            Err(LifetimeError::AboveMaximum(max))
        }
    }
}

impl FromStr for Lifetime {
    type Err = LifetimeError;

    /// Reads a human duration, by the grammar at the top of this module.
    fn from_str(input: &str) -> Result<Self, Self::Err> {
        parse::whole_seconds(input).and_then(Self::from_secs)
    }
}

/// Reads a human duration that may be zero.
///
/// # Errors
///
/// As those of [`Lifetime`], but for [`LifetimeError::Zero`].
pub fn or_zero(input: &str) -> Result<Duration, LifetimeError> {
    match input.parse::<Lifetime>() {
        Ok(lifetime) => Ok(Duration::from_secs(lifetime.as_secs())),
        Err(LifetimeError::Zero) => Ok(Duration::ZERO),
        Err(error) => Err(error),
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.as_secs();
        let parts = [
            (secs / 86_400, "day"),
            (secs / 3_600 % 24, "hour"),
            (secs / 60 % 60, "minute"),
            (secs % 60, "second"),
        ];
        let mut gap = "";
        for (count, unit) in parts.into_iter().filter(|&(count, _)| count > 0) {
            let plural = if count == 1 { "" } else { "s" };
            write!(f, "{gap}{count} {unit}{plural}")?;
            gap = " ";
        }
        Ok(())
    }
}

/// Why something is not a [`Lifetime`].
///
/// The texts are for the user who wrote the input, to stand after the name of its field: `jwt_token_life: must not be
/// negative`. They repeat at most a short excerpt of the input, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifetimeError {
    /// Nothing but white space and perhaps a plus sign.
    #[error("must not be empty; write a duration such as '6 hours'")]
    Empty,
    /// More characters than any sensible duration has.
    #[error("must not be longer than {MAX_CHARS} characters")]
    TooLong,
    /// A minus sign where a number should begin.
    #[error("must not be negative")]
    Negative,
    /// The terms add up to nothing.
    #[error("must be longer than zero")]
    Zero,
    /// The terms leave a fraction of a second.
    #[error("must be a whole number of seconds")]
    NotWholeSeconds,
    /// The total, or a number on the way to it, is beyond what 64 bits of seconds hold.
    #[error("must not be such a large number")]
    Overflow,
    /// A fraction so fine that it cannot be added exactly.
    #[error("must not have so many decimal places")]
    TooPrecise,
    /// Longer than the limit, which is the field.
    #[error("must not be longer than {0}")]
    AboveMaximum(Lifetime),
    /// A numeral other than `0` to `9`, such as `٣` or `½`.
    #[error("must use the digits 0 to 9, not '{0}'")]
    ForeignDigit(char),
    /// The field stands where a number should, and is none.
    #[error("'{0}' is not a number")]
    NotANumber(String),
    /// A duration of ISO 8601, such as `P30D`.
    #[error("durations of ISO 8601 are not accepted; for P30D write '30 days', for PT6H '6 hours'")]
    Iso8601,
    /// The field is a word without a number before it.
    #[error("a number must come before '{0}'")]
    NoNumber(String),
    /// The field is a number without a unit after it.
    #[error("a unit must come after {0}, such as 'minutes', 'hours' or 'days'")]
    NoUnit(String),
    /// The field follows a number and is no unit.
    #[error("'{0}' is not a unit; use seconds, minutes, hours, days, weeks, months or years")]
    UnknownUnit(String),
    /// The unit `M`: a month in `humantime`, a minute in `pytimeparse`.
    #[error("'M' could mean months or minutes; write 'month' or 'minute'")]
    AmbiguousUnit,
    /// The field has a colon and is no clock.
    #[error("'{0}' is not a clock; write :ss, m:ss, h:mm:ss, d:hh:mm:ss or d-hh:mm:ss")]
    NotAClock(String),
    /// Before the clock stands something other than weeks and days, or the clock is not `h:mm:ss`.
    #[error(
        "only weeks and days may come before a clock, and then h:mm:ss, as in '2 days, 4:13:02'"
    )]
    ClockAfterUnits,
    /// After the clock, the field, there is more.
    #[error("nothing may come after the clock '{0}'")]
    ClockNotLast(String),
}
