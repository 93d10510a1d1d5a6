//! Inputs and the exact words that refuse them.

use super::{Lifetime, LifetimeError, seconds};

fn assert_refused(table: &[(&str, &str)]) {
    for &(input, expected) in table {
        assert_eq!(seconds(input), Err(expected.to_owned()), "{input:?}");
    }
}

#[test]
fn refuses_with_the_reason() {
    assert_refused(&[
        ("", "must not be empty; write a duration such as '6 hours'"),
        (
            " \t ",
            "must not be empty; write a duration such as '6 hours'",
        ),
        (
            " + ",
            "must not be empty; write a duration such as '6 hours'",
        ),
        (
            "P30D",
            "durations of ISO 8601 are not accepted; for P30D write '30 days', for PT6H '6 hours'",
        ),
        (
            " +pt6h30m",
            "durations of ISO 8601 are not accepted; for P30D write '30 days', for PT6H '6 hours'",
        ),
        ("-1h", "must not be negative"),
        (" - 1 minute", "must not be negative"),
        ("-360", "must not be negative"),
        ("-1:30", "must not be negative"),
        ("-0", "must not be negative"),
        ("1h -5m", "must not be negative"),
        ("0", "must be longer than zero"),
        ("0h 0.0m", "must be longer than zero"),
        (":00", "must be longer than zero"),
        ("0.5s", "must be a whole number of seconds"),
        ("1.2345 minutes", "must be a whole number of seconds"),
        ("1:30.5", "must be a whole number of seconds"),
        ("1500ms", "must be a whole number of seconds"),
        ("1.000000000000000001s", "must be a whole number of seconds"),
        (
            "1.0000000000000000001s",
            "must not have so many decimal places",
        ),
        ("0.0000000001ns", "must not have so many decimal places"),
        ("18446744073709551616", "must not be such a large number"),
        (
            "18446744073709551615s 1s",
            "must not be such a large number",
        ),
        ("99999999999999999999y", "must not be such a large number"),
        (
            "999999999999999999999999999999999999999",
            "must not be such a large number",
        ),
        (
            "340282366920938463463374607431768211456ns",
            "must not be such a large number",
        ),
        (
            "20000000000000y 20000000000000y",
            "must not be such a large number",
        ),
        (
            "99999999999999999999:00:00",
            "must not be such a large number",
        ),
    ]);
}

#[test]
fn names_what_is_not_a_number_or_a_unit() {
    assert_refused(&[
        ("hours", "a number must come before 'hours'"),
        ("2 hours min", "a number must come before 'min'"),
        ("+ h", "a number must come before 'h'"),
        (".h", "'.' is not a number"),
        (".", "'.' is not a number"),
        ("1.2.3h", "'1.2.3' is not a number"),
        ("1-2h", "'1-2' is not a number"),
        (",1h", "',' is not a number"),
        ("1h,,30m", "',' is not a number"),
        ("1h, /30m", "'/' is not a number"),
        ("++1h", "'+' is not a number"),
        ("−1h", "'−' is not a number"),
        ("1h\0", "'\\0' is not a number"),
        ("1h \u{202e}", "'\\u{202e}' is not a number"),
        ("\u{7}5m", "'\\u{7}' is not a number"),
        (
            "1h 30",
            "a unit must come after 30, such as 'minutes', 'hours' or 'days'",
        ),
        (
            "1 0 s",
            "a unit must come after 1, such as 'minutes', 'hours' or 'days'",
        ),
        (
            "1 .5h",
            "a unit must come after 1, such as 'minutes', 'hours' or 'days'",
        ),
        (
            "1. 5h",
            "a unit must come after 1., such as 'minutes', 'hours' or 'days'",
        ),
        (
            "1,000 s",
            "a unit must come after 1, such as 'minutes', 'hours' or 'days'",
        ),
        (
            "1.5",
            "a unit must come after 1.5, such as 'minutes', 'hours' or 'days'",
        ),
        (
            "5%",
            "a unit must come after 5, such as 'minutes', 'hours' or 'days'",
        ),
        (
            "10nights",
            "'nights' is not a unit; use seconds, minutes, hours, days, weeks, months or years",
        ),
        (
            "5 mo",
            "'mo' is not a unit; use seconds, minutes, hours, days, weeks, months or years",
        ),
        (
            "5\u{17f}",
            "'ſ' is not a unit; use seconds, minutes, hours, days, weeks, months or years",
        ),
        (
            "1M",
            "'M' could mean months or minutes; write 'month' or 'minute'",
        ),
        (
            "1h 5M",
            "'M' could mean months or minutes; write 'month' or 'minute'",
        ),
        (
            "1h5M30s",
            "'M' could mean months or minutes; write 'month' or 'minute'",
        ),
        ("٣ hours", "must use the digits 0 to 9, not '٣'"),
        ("3٠", "must use the digits 0 to 9, not '٠'"),
        ("1½ hours", "must use the digits 0 to 9, not '½'"),
        ("１:30", "must use the digits 0 to 9, not '１'"),
    ]);
}

#[test]
fn refuses_clocks_that_could_be_misread() {
    for clock in [
        ":",
        "1:",
        ":5",
        "1:5",
        "1:005",
        "123:45",
        "1:2:03",
        "1:02:3",
        ":01:02",
        "1:2:03:04",
        "1:02:03:04:05",
        "1-02:03",
        "1-2:03:04",
        "1:02-03:04",
        "1:30.",
        "1:30.0.0",
        "1.5:30",
        "1:-30",
    ] {
        assert_eq!(
            clock.parse::<Lifetime>(),
            Err(LifetimeError::NotAClock(clock.to_owned()))
        );
    }
    assert_refused(&[
        (
            "1:5",
            "'1:5' is not a clock; write :ss, m:ss, h:mm:ss, d:hh:mm:ss or d-hh:mm:ss",
        ),
        ("1:30 pm", "nothing may come after the clock '1:30'"),
        (
            "1:30:00, 2 days",
            "nothing may come after the clock '1:30:00'",
        ),
    ]);
    for mixed in [
        "2 days, 4:13",
        "2 days :30",
        "1 week 2:04:13:02",
        "1 hour 4:13:02",
        "1 month 4:13:02",
    ] {
        assert_refused(&[(
            mixed,
            "only weeks and days may come before a clock, and then h:mm:ss, as in '2 days, 4:13:02'",
        )]);
    }
}

#[test]
fn bounds_the_input_and_the_excerpt() {
    let longest = format!("1{}h", " ".repeat(254));
    assert_eq!(seconds(&longest), Ok(3_600));
    assert_eq!(seconds(&format!(" {longest}\n")), Ok(3_600));
    let too_long = "must not be longer than 256 characters".to_owned();
    assert_eq!(seconds(&longest.replace('h', " h")), Err(too_long.clone()));
    assert_eq!(seconds(&"µ".repeat(16_384)), Err(too_long));

    let cut = |word: String| match format!("1{word}").parse::<Lifetime>() {
        Err(LifetimeError::UnknownUnit(shown)) => shown,
        other => panic!("{other:?}"),
    };
    assert_eq!(cut("é".repeat(32)), "é".repeat(32));
    assert_eq!(cut("é".repeat(33)), "é".repeat(31) + "…");
}
