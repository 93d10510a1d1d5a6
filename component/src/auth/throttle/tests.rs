use super::super::digest::DigestKey;
use super::*;
use crate::ports::Random;

struct FixedRandom;

impl Random for FixedRandom {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn name(name: &str) -> NameDigest {
    DigestKey::new(&FixedRandom).name(&name.parse().unwrap())
}

fn at(secs: u64) -> Timestamp {
    Timestamp::new(Duration::from_secs(1_000_000 + secs))
}

#[test]
fn the_delay_doubles_up_to_a_limit() {
    for (failures, secs) in [
        (0, 0),
        (4, 0),
        (5, 2),
        (6, 4),
        (12, 256),
        (13, 300),
        (14, 300),
        (1_000, 300),
        (u32::MAX, 300),
    ] {
        assert_eq!(delay_after(failures).as_secs(), secs, "{failures}");
    }
}

#[test]
fn the_table_is_bounded_and_the_oldest_row_goes() {
    let mut throttle = Throttle::default();
    for _ in 0..5 {
        throttle.failed(name("early"), at(0));
        throttle.failed(name("again"), at(0));
    }
    for number in 0..100_000 {
        if number % (MAX_NAMES - 1) == 0 {
            throttle.failed(name("again"), at(1));
        }
        throttle.failed(name(&format!("name {number}")), at(1));
        assert!(throttle.failures.len() <= MAX_NAMES);
    }
    assert!(throttle.failures.capacity() <= MAX_NAMES);
    assert_eq!(throttle.delay(name("early"), at(1)), None);
    assert!(throttle.delay(name("again"), at(1)).is_some());
}

#[test]
fn a_forgotten_row_gives_its_room_back() {
    let mut throttle = Throttle::default();
    throttle.failed(name("ada"), at(0));
    assert_eq!(throttle.delay(name("ada"), at(900)), None);
    assert!(throttle.failures.is_empty());
}
