use super::*;

fn at(millis: u64) -> Timestamp {
    Timestamp::new(Duration::from_millis(1_000_000 + millis))
}

/// How long a request is told to wait; `None` if it is admitted.
fn wait(admission: Admission) -> Option<u64> {
    match admission {
        Admission::Granted => None,
        Admission::Wait(pause) => Some(u64::try_from(pause.as_millis()).unwrap()),
        Admission::Refused => panic!("refused"),
    }
}

#[test]
fn the_first_waits_for_the_pause_and_the_others_for_the_first() {
    let queue = Queue::new();
    let (mut one, mut other, mut late) = (None, None, None);
    queue.ended(None, false, at(0), at(50));
    assert_eq!(wait(queue.admit(&mut one, &[1; 32], at(60))), Some(140));
    assert_eq!(wait(queue.admit(&mut other, &[2; 32], at(60))), Some(140));
    assert_eq!(wait(queue.admit(&mut one, &[1; 32], at(199))), Some(1));
    // Who comes when the pause is over waits behind those who were there.
    assert_eq!(wait(queue.admit(&mut late, &[3; 32], at(200))), Some(10));
    assert_eq!(wait(queue.admit(&mut other, &[2; 32], at(200))), Some(10));
    assert_eq!(wait(queue.admit(&mut one, &[1; 32], at(200))), None);

    queue.ended(one.as_ref(), true, at(200), at(250));
    assert_eq!(one.take().and_then(|ticket| ticket.outcome()), Some(true));
    assert_eq!(wait(queue.admit(&mut late, &[3; 32], at(250))), Some(10));
    drop(other);
    assert_eq!(wait(queue.admit(&mut late, &[3; 32], at(260))), None);
}

#[test]
fn nobody_waits_for_longer_than_ten_seconds() {
    let queue = Queue::new();
    let (mut one, mut other) = (None, None);
    queue.ended(None, false, at(0), at(2_000));
    assert_eq!(
        wait(queue.admit(&mut one, &[1; 32], at(2_000))),
        Some(1_000)
    );
    assert_eq!(
        wait(queue.admit(&mut other, &[2; 32], at(2_000))),
        Some(1_000)
    );
    assert_eq!(
        wait(queue.admit(&mut other, &[2; 32], at(11_999))),
        Some(10)
    );
    assert!(matches!(
        queue.admit(&mut other, &[2; 32], at(12_000)),
        Admission::Refused
    ));
}

#[test]
fn a_clock_that_is_set_back_makes_the_pause_no_longer() {
    let queue = Queue::new();
    let mut one = None;
    queue.ended(None, false, at(0), at(100));
    let earlier = |millis| Timestamp::new(Duration::from_millis(millis));
    assert_eq!(wait(queue.admit(&mut one, &[1; 32], earlier(0))), Some(300));
    assert_eq!(wait(queue.admit(&mut one, &[1; 32], earlier(300))), None);
}
