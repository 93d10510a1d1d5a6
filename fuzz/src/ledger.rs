//! Stored ledgers.

use std::time::Duration;

use latchkey_component::ledger::Ledger;
use latchkey_component::token::Timestamp;
use serde_json::Value;

/// What was read is written so that it is read as the same. What expires, expires once.
pub fn check(input: &[u8]) {
    let Ok(mut ledger) = Ledger::from_document(input) else {
        return;
    };
    let document = ledger.to_document();
    assert_eq!(Ledger::from_document(&document).as_ref(), Ok(&ledger));
    // Nothing was left out. What has no meaning to us need not even be text.
    let read = serde_json::from_slice(input).unwrap_or(Value::Null);
    let written: Value = serde_json::from_slice(&document).expect("JSON");
    for list in ["tokens", "writes", "repeatable"] {
        let count = |document: &Value| document[list].as_array().map_or(0, Vec::len);
        assert!(read.is_null() || count(&read) == count(&written), "{list}");
    }

    let now = Timestamp::new(Duration::from_secs(1_662_720_135));
    let retention = Duration::from_secs(3_600);
    ledger.expire(now, retention);
    let expired = ledger.clone();
    ledger.expire(now, retention);
    assert_eq!(ledger, expired);
    for token in expired.tokens() {
        assert!(
            token.remaining(now) <= Duration::from_secs(token.lifetime.as_secs())
                || token.issued_at > now.as_secs()
        );
        let before = ledger.tokens().len();
        assert_eq!(
            ledger.delete(token.id).map(|deleted| deleted.id),
            Some(token.id)
        );
        assert_eq!(ledger.tokens().len(), before - 1);
    }
    assert_eq!(ledger.delete_all(), 0);
}
