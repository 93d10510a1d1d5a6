//! The grammar of human durations, and the exact sum of what it finds.
//!
//! ```text
//! input  = ["+"] ( digits | clock | { term [","|"/"] } [ clock ] )
//! term   = number unit
//! number = digits ["." [digits]] | "." digits
//! clock  = ":" ss | [m]m ":" ss | h ":" mm ":" ss | d (":"|"-") hh ":" mm ":" ss
//! ss     = two digits ["." digits]
//! ```
//!
//! White space may stand around every part of an `input` and of a `term`, and nowhere else. After terms, which may then
//! be weeks and days only, the clock is `h:mm:ss`. Bare digits are seconds and the fields of a clock imply their units,
//! so everything becomes a list of [`Term`]s, and their sum is the result.

use std::ops::RangeBounds;

use super::LifetimeError;

/// The longest input that is looked at: it bounds the work and the list of terms.
pub(super) const MAX_CHARS: usize = 256;

/// The longest excerpt of the input in an error.
const MAX_EXCERPT: usize = 32;

// Units are counted in attoseconds (10^-18 s). In 128 bits these hold every total that fits 64 bits of seconds, and
// leave nine exact decimal places even to a nanosecond, so that no sum needs a float.
const NANOSECOND: u128 = SECOND / 1_000_000_000;
const MICROSECOND: u128 = SECOND / 1_000_000;
const MILLISECOND: u128 = SECOND / 1_000;
const SECOND: u128 = 10_u128.pow(18);
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;
const WEEK: u128 = 7 * DAY;
/// 30.44 days, as in `humantime`.
const MONTH: u128 = 2_630_016 * SECOND;
/// 365.25 days, as in `humantime`.
const YEAR: u128 = 31_557_600 * SECOND;

/// Reads a duration and adds it up, in seconds; zero is left to the caller to refuse.
pub(super) fn whole_seconds(input: &str) -> Result<u64, LifetimeError> {
    // White space around it does not count, as in a description.
    let input = input.trim_matches(is_space);
    if input.chars().nth(MAX_CHARS).is_some() {
        return Err(LifetimeError::TooLong);
    }
    if let Some(digit) = input.chars().find(|c| c.is_numeric() && !c.is_ascii()) {
        return Err(LifetimeError::ForeignDigit(digit));
    }
    let total = terms(input)?.iter().try_fold(0, |sum: u128, term| {
        sum.checked_add(term.attoseconds()?)
            .ok_or(LifetimeError::Overflow)
    })?;
    if !total.is_multiple_of(SECOND) {
        return Err(LifetimeError::NotWholeSeconds);
    }
    u64::try_from(total / SECOND).map_err(|_| LifetimeError::Overflow)
}

/// A decimal number of a unit. Both digit strings hold ASCII digits only, and one of them may be empty.
struct Term<'a> {
    whole: &'a str,
    fraction: &'a str,
    /// In attoseconds.
    unit: u128,
}

impl<'a> Term<'a> {
    fn new(whole: &'a str, unit: u128) -> Self {
        Self {
            whole,
            fraction: "",
            unit,
        }
    }

    fn is_weeks_or_days(&self) -> bool {
        matches!(self.unit, WEEK | DAY)
    }

    /// The exact value, in attoseconds.
    fn attoseconds(&self) -> Result<u128, LifetimeError> {
        let whole = self
            .whole
            .bytes()
            .try_fold(0_u128, |n, digit| {
                n.checked_mul(10)?.checked_add(u128::from(digit - b'0'))
            })
            .and_then(|n| n.checked_mul(self.unit))
            .ok_or(LifetimeError::Overflow)?;

        // Less than one unit, so it cannot overflow.
        let mut fraction = 0;
        let mut place = self.unit;
        for digit in self.fraction.trim_end_matches('0').bytes() {
            if !place.is_multiple_of(10) {
                return Err(LifetimeError::TooPrecise);
            }
            place /= 10;
            fraction += place * u128::from(digit - b'0');
        }
        whole.checked_add(fraction).ok_or(LifetimeError::Overflow)
    }
}

/// What the input is the sum of.
fn terms(input: &str) -> Result<Vec<Term<'_>>, LifetimeError> {
    let text = input.strip_prefix('+').unwrap_or(input);
    let mut text = text.trim_start_matches(is_space);
    if text.is_empty() {
        return Err(LifetimeError::Empty);
    }
    if is_digits(text, ..) {
        return Ok(vec![Term::new(text, SECOND)]);
    }

    let mut terms = Vec::new();
    while !text.is_empty() {
        let figures = take_while(&mut text, |c| {
            c.is_ascii_digit() || matches!(c, '.' | ':' | '-')
        });
        if figures.starts_with('-') {
            return Err(LifetimeError::Negative);
        }
        if figures.contains(':') {
            let clock = clock(figures)?;
            if !text.is_empty() {
                return Err(LifetimeError::ClockNotLast(excerpt(figures)));
            }
            let may_follow = clock.len() == 3 && terms.iter().all(Term::is_weeks_or_days);
            if !terms.is_empty() && !may_follow {
                return Err(LifetimeError::ClockAfterUnits);
            }
            terms.extend(clock);
        } else {
            terms.push(term(figures, &mut text)?);
            take_while(&mut text, is_space);
            text = text.strip_prefix([',', '/']).unwrap_or(text);
            take_while(&mut text, is_space);
        }
    }
    Ok(terms)
}

/// The term whose number was just taken from the front of `text`, where its unit now stands.
fn term<'a>(number: &'a str, text: &mut &'a str) -> Result<Term<'a>, LifetimeError> {
    take_while(text, is_space);
    let word = take_while(text, char::is_alphabetic);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    match (number, word) {
        ("", "") => {
            let found = text.chars().take(1).flat_map(char::escape_debug);
            Err(LifetimeError::NotANumber(found.collect()))
        }
        ("", "P" | "PT" | "p" | "pt") if text.starts_with(|c: char| c.is_ascii_digit()) => {
            Err(LifetimeError::Iso8601)
        }
        ("", _) => Err(LifetimeError::NoNumber(excerpt(word))),
        (".", _) => Err(LifetimeError::NotANumber(excerpt(number))),
        _ if !is_digits(whole, ..) || !is_digits(fraction, ..) => {
            Err(LifetimeError::NotANumber(excerpt(number)))
        }
        (_, "") => Err(LifetimeError::NoUnit(excerpt(number))),
        _ => Ok(Term {
            whole,
            fraction,
            unit: unit(word)?,
        }),
    }
}

/// What one of the unit that `word` names is, in attoseconds.
fn unit(word: &str) -> Result<u128, LifetimeError> {
    if word == "M" {
        return Err(LifetimeError::AmbiguousUnit);
    }
    Ok(match word.to_ascii_lowercase().as_str() {
        "ns" | "nsec" | "nanos" => NANOSECOND,
        // With the micro sign (U+00B5) and the Greek letter (U+03BC).
        "us" | "usec" | "µs" | "μs" => MICROSECOND,
        "ms" | "msec" | "millis" => MILLISECOND,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "d" | "dy" | "dys" | "day" | "days" => DAY,
        "w" | "wk" | "wks" | "week" | "weeks" => WEEK,
        "month" | "months" => MONTH,
        "y" | "yr" | "yrs" | "year" | "years" => YEAR,
        _ => return Err(LifetimeError::UnknownUnit(excerpt(word))),
    })
}

/// The terms of a clock, one for each of its fields.
///
/// All fields but the first have two digits. As in `pytimeparse` they have no range: `1:75` is 135 seconds.
fn clock(text: &str) -> Result<Vec<Term<'_>>, LifetimeError> {
    let (time, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let (days, time) = match time.split_once('-') {
        Some((days, time)) => (Some(days), time),
        None => (None, time),
    };
    let fields: Vec<&str> = days.into_iter().chain(time.split(':')).collect();
    let leading = match (days, fields.len()) {
        (None, 2) => 0..=2,
        (None, 3) | (_, 4) => 1..=MAX_CHARS,
        _ => return Err(LifetimeError::NotAClock(excerpt(text))),
    };
    if !is_digits(fields[0], leading)
        || !fields[1..].iter().all(|field| is_digits(field, 2..=2))
        || !is_digits(fraction, 1..)
    {
        return Err(LifetimeError::NotAClock(excerpt(text)));
    }

    let from_seconds_up = fields.iter().rev().zip([SECOND, MINUTE, HOUR, DAY]);
    let mut terms: Vec<_> = from_seconds_up
        .map(|(field, unit)| Term::new(field, unit))
        .collect();
    terms[0].fraction = fraction;
    Ok(terms)
}

/// White space to Rust, and so to `humantime`, or to Python, which adds the four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// Whether `text` is ASCII digits and nothing else, and as many as `count` allows.
fn is_digits(text: &str, count: impl RangeBounds<usize>) -> bool {
    count.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Takes the longest prefix whose characters all belong off the front of `text`.
fn take_while<'a>(text: &mut &'a str, belongs: impl Fn(char) -> bool) -> &'a str {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    let (taken, rest) = text.split_at(end);
    *text = rest;
    taken
}

/// The beginning of a word or number of the input, short enough to show.
fn excerpt(text: &str) -> String {
    if text.chars().nth(MAX_EXCERPT).is_none() {
        return text.to_owned();
    }
    text.chars().take(MAX_EXCERPT - 1).chain(['…']).collect()
}
