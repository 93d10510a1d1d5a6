//! What holds for every input.

use std::time::Duration;

use proptest::prelude::*;

use super::{Lifetime, LifetimeError, lifetime};

/// Pieces of durations, for inputs that are almost right.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "1", "07", "90", "1.5", ".5", "2.", ".", ":", ":30", ":00:00", "-", "+", ",", "/", " ",
        "\t", "h", "m", "M", "d", "w", "y", "ms", "µs", "hours", "Days", "month", "1h", "30m", "٣",
        "\0",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// What `humantime` may accept: lower case, and no digits that white space divides.
fn humantime_terms() -> impl Strategy<Value = String> {
    let unit = prop::sample::select(vec![
        "ms", "msec", "millis", "s", "sec", "secs", "second", "seconds", "m", "min", "mins",
        "minute", "minutes", "h", "hr", "hrs", "hour", "hours", "d", "day", "days", "w", "wk",
        "wks", "week", "weeks", "month", "months", "y", "yr", "yrs", "year", "years",
    ]);
    let term = (
        r"[0-9]{1,5}(\.[0-9]{1,3})?",
        r"[ \t]{0,2}",
        unit,
        r"[ \n\u{3000}]{0,2}",
    )
        .prop_map(|(number, gap, unit, end)| [number.as_str(), &gap, unit, &end].concat());
    prop::collection::vec(term, 1..5).prop_map(|terms| terms.concat())
}

fn check_refusal(input: &str) -> Result<(), TestCaseError> {
    if let Err(error) = input.parse::<Lifetime>() {
        let text = error.to_string();
        prop_assert!(text.chars().count() <= 120, "{text}");
        prop_assert!(!text.contains(char::is_control), "{text:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_in_a_short_clean_text(input in r"(?s).{0,300}") {
        check_refusal(&input)?;
    }

    #[test]
    fn almost_durations_are_read_or_refused_in_a_short_clean_text(input in pieces()) {
        check_refusal(&input)?;
    }

    #[test]
    fn words_are_read_back_as_the_same_lifetime(secs in 1..=u64::MAX, short in 1..=400_000_u64) {
        for lifetime in [lifetime(secs), lifetime(short)] {
            prop_assert_eq!(lifetime.to_string().parse(), Ok(lifetime));
        }
    }

    #[test]
    fn agrees_with_humantime(input in humantime_terms()) {
        // It refuses some fractions that have an exact value: those are ours to decide.
        let Ok(theirs) = humantime::parse_duration(&input) else {
            return Ok(());
        };
        prop_assert_eq!(
            input.parse(),
            match theirs {
                Duration::ZERO => Err(LifetimeError::Zero),
                total if total.subsec_nanos() > 0 => Err(LifetimeError::NotWholeSeconds),
                total => Lifetime::from_secs(total.as_secs()),
            }
        );
    }
}
