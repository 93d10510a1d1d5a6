//! `jwt_token_life`: human durations, and why some are none.

use serde_json::{Value, json};

use crate::cases::Cases;
use crate::response::Response;
use crate::server::{Server, User};

/// The default of `max_token_life`, in seconds: 366 days.
const MAX: u64 = 31_622_400;

/// A life as JSON text, and its seconds.
#[rustfmt::skip]
const ACCEPTED: &[(&str, u64)] = &[
    // The rows of the contract's table.
    (r#""6 hours""#, 21_600),
    (r#""6 Hours""#, 21_600),
    (r#""6h""#, 21_600),
    (r#""6 hrs""#, 21_600),
    (r#""1h30m""#, 5_400),
    (r#""1h 30m""#, 5_400),
    (r#""1 hour, 30 minutes""#, 5_400),
    (r#""1h/30m""#, 5_400),
    (r#""1.5 hours""#, 5_400),
    (r#"".5h""#, 1_800),
    (r#""+1h""#, 3_600),
    (r#""1 dy""#, 86_400),
    (r#""2 wks""#, 1_209_600),
    (r#""30m 1h""#, 5_400),
    (r#""1h 1h""#, 7_200),
    (r#""1:30""#, 90), (r#"":22""#, 22),
    (r#""1:30:00""#, 5_400),
    (r#""2:04:13:02""#, 187_982),
    (r#""2 days, 4:13:02""#, 187_982),
    ("360", 360),
    (r#""360""#, 360),
    (r#""1 month""#, 2_630_016),
    (r#""1 year""#, 31_557_600),
    (r#""1y""#, 31_557_600),
    // Every unit of either grammar, in its spellings.
    (r#""90s""#, 90), (r#""90 sec""#, 90), (r#""90 secs""#, 90), (r#""1 second""#, 1), (r#""90 seconds""#, 90),
    (r#""2m""#, 120), (r#""2 min""#, 120), (r#""2 mins""#, 120), (r#""1 minute""#, 60), (r#""2 minutes""#, 120),
    (r#""2h""#, 7_200), (r#""2 hr""#, 7_200), (r#""2 hrs""#, 7_200), (r#""1 hour""#, 3_600), (r#""2 hours""#, 7_200),
    (r#""2d""#, 172_800), (r#""2 dys""#, 172_800), (r#""1 day""#, 86_400), (r#""2 days""#, 172_800),
    (r#""2w""#, 1_209_600), (r#""1 wk""#, 604_800), (r#""1 week""#, 604_800), (r#""2 weeks""#, 1_209_600),
    (r#""2 months""#, 5_260_032),
    (r#""1000ms""#, 1), (r#""1000000 us""#, 1), (r#""1000000000ns""#, 1),
    (r#""500ms 500ms""#, 1),
    // Spaces, case, the parts together.
    (r#"" 6 hours ""#, 21_600),
    (r#""6  hours""#, 21_600),
    (r#""6 HOURS""#, 21_600),
    (r#""1 MONTH""#, 2_630_016),
    (r#""1w 2d 3h 4m 5s""#, 788_645),
    (r#""1w2d3h4m5s""#, 788_645),
    (r#""1 week, 2 days, 3 hours, 4 minutes, 5 seconds""#, 788_645),
    (r#""0.5 minutes""#, 30),
    (r#""1.5h 30m""#, 7_200),
    (r#""0h 5m""#, 300),
    (r#""007""#, 7),
    // The ends of the range.
    ("1", 1),
    (r#""1""#, 1),
    ("31622400", MAX),
    (r#""31622400""#, MAX),
    (r#""366 days""#, MAX),
];

/// A life as JSON text that is a string or a number but no duration, and a word of the message that says why.
const REFUSED: &[(&str, &str)] = &[
    ("0", "zero"),
    (r#""0""#, "zero"),
    (r#""0 hours""#, "zero"),
    (r#""0:00""#, "zero"),
    ("-1", "negative"),
    ("-9223372036854775809", "negative"),
    (r#""-1""#, "negative"),
    (r#""-1 hour""#, "negative"),
    (r#""-1:30""#, "negative"),
    ("1.5", "whole"),
    (r#""1.5""#, "unit"),
    (r#""1.5 seconds""#, "whole"),
    (r#""500ms""#, "whole"),
    (r#""1 hour 1ns""#, "whole"),
    (r#""""#, "empty"),
    (r#""  ""#, "empty"),
    (r#""6 parsecs""#, "parsecs"),
    (r#""6 hours and a bit""#, "and"),
    (r#""hours""#, "number"),
    (r#""h""#, "number"),
    (r#"".h""#, "number"),
    (r#""٣ hours""#, "digits 0 to 9"),
    (r#""６ hours""#, "digits 0 to 9"),
    (r#""６""#, "digits 0 to 9"),
    (r#""1M""#, "minute"),
    (r#""1M""#, "month"),
    (r#""1 M""#, "month"),
    (r#""1h 30M""#, "minute"),
    ("31622401", "366 days"),
    (r#""31622401""#, "366 days"),
    (r#""367 days""#, "366 days"),
    (r#""2 years""#, "366 days"),
    (r#""9999:00:00""#, "366 days"),
];

/// Lives beyond every integer type: refused like the others, with any message.
const OVERFLOWING: &[&str] = &[
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "1e30",
    "1e308",
    r#""18446744073709551616""#,
    r#""99999999999999999999999999999999999999999999999999 hours""#,
    r#""18446744073709551615 years""#,
    r#""18446744073709551615s 18446744073709551615s""#,
    r#""99999999999999999999:00:00""#,
    r#""1e9 hours""#,
    r#""NaN hours""#,
    r#""inf""#,
    r#""0x10""#,
];

#[test]
fn accepted() {
    let user = Server::shared().user();
    let mut cases = Cases::default();
    for (life, seconds) in ACCEPTED {
        let created = create(&user, life);
        cases.check(life, created.outcome(), (201, String::new()));
        if created.status == 201 {
            cases.check(
                life,
                created.json()["jwt_token_life"].as_u64(),
                Some(*seconds),
            );
            let id = created.text("jwt_token_id");
            let shown = user.show(&id).expect(200).json();
            cases.check(life, shown["jwt_token_life"].as_u64(), Some(*seconds));
            user.delete(&id).expect(200);
        }
    }
}

#[test]
fn refused() {
    let user = Server::shared().user();
    let mut cases = Cases::default();
    for (life, why) in REFUSED {
        let refused = create(&user, life);
        cases.check(
            life,
            refused.outcome(),
            (400, "invalid_lifetime".to_owned()),
        );
        let message = refused.message();
        if !message.contains(why) {
            cases.check(life, message, format!("… {why} …"));
        }
    }
    for life in OVERFLOWING {
        cases.check(
            life,
            create(&user, life).outcome(),
            (400, "invalid_lifetime".to_owned()),
        );
    }
    // Far more text than any duration needs, in a body of the allowed size.
    let long = format!("\"{}\"", "1w ".repeat(5000));
    cases.check(
        "1w 5,000 times",
        create(&user, &long).outcome(),
        (400, "invalid_lifetime".to_owned()),
    );
}

#[test]
fn of_another_type() {
    let user = Server::shared().user();
    let mut cases = Cases::default();
    for life in [
        json!(null),
        json!(true),
        json!(false),
        json!([360]),
        json!(["6 hours"]),
        json!({ "hours": 6 }),
    ] {
        let refused = create(&user, &life.to_string());
        cases.check(&life, refused.outcome(), (400, "invalid_field".to_owned()));
        cases.check(&life, refused.message().contains("jwt_token_life"), true);
    }
    drop(cases);
    user.list().refused(404, "no_tokens");
}

/// The answer to a creation with this life, which is JSON text: a serialiser would tidy up what is the case here.
fn create(user: &User<'_>, life: &str) -> Response {
    let description = Value::from(life.chars().take(200).collect::<String>());
    user.post(format!(
        r#"{{"jwt_token_description":{description},"jwt_token_life":{life}}}"#
    ))
}
