//! Human durations.

use latchkey_component::lifetime::Lifetime;

/// What was read can be written and read again, in any case; an error is short, and safe to show.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match text.parse::<Lifetime>() {
        Ok(lifetime) => {
            assert!(lifetime.as_secs() > 0);
            assert_eq!(lifetime.to_string().parse(), Ok(lifetime));
            assert_eq!(text.to_ascii_lowercase().parse(), Ok(lifetime));
            assert_eq!(format!(" {text}\n").parse(), Ok(lifetime));
            assert_eq!(Lifetime::from_secs(lifetime.as_secs()), Ok(lifetime));
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.chars().count() < 200, "{message}");
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }
}
