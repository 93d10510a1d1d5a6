//! Nothing acknowledged is ever lost: many clients on stores that fail in all known ways, in a simulation that a seed
//! replays.
//!
//! ```text
//! cargo test --locked --package latchkey-component --test faults
//! LATCHKEY_SEEDS=100000 cargo test --locked --release --package latchkey-component --test faults
//! LATCHKEY_SEED=42 cargo test --locked --package latchkey-component --test faults spin_sqlite
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "all of this crate is a test, and seeds come from the environment"
)]

mod clients;
mod regions;
mod replicas;
mod simulation;
mod store;

use std::time::Duration;

use clients::Scenario;
use store::Faults;

/// What a store does right: delays, and nothing else.
const CORRECT: Faults = Faults {
    upserts_absent: false,
    fails_before: 0,
    fails_after: 0,
    handles: None,
    lost_increments: 0,
};

/// Runs the scenario for each seed; says which seed failed.
fn hold(name: &str, scenario: &Scenario) {
    hold_for_seeds(name, 400, |seed| scenario.run(seed));
}

fn hold_for_seeds(name: &str, count: u64, run: impl Fn(u64) -> Result<(), String>) {
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|text: String| text.parse().unwrap())
    };
    let seeds = match number("LATCHKEY_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("LATCHKEY_SEEDS").unwrap_or(count),
    };
    for seed in seeds {
        if let Err(violation) = run(seed) {
            panic!("{name}, LATCHKEY_SEED={seed}: {violation}");
        }
    }
}

#[test]
fn a_correct_store() {
    hold(
        "a_correct_store",
        &Scenario {
            faults: CORRECT,
            ..Scenario::default()
        },
    );
}

/// Spin's SQLite: a swap on an absent key is an unconditional write.
#[test]
fn spin_sqlite() {
    let faults = Faults {
        upserts_absent: true,
        ..CORRECT
    };
    hold(
        "spin_sqlite",
        &Scenario {
            faults,
            ..Scenario::default()
        },
    );
}

/// Operations fail, before they have an effect and after it.
#[test]
fn a_failing_store() {
    let faults = Faults {
        fails_before: 10,
        fails_after: 10,
        ..CORRECT
    };
    hold(
        "a_failing_store",
        &Scenario {
            faults,
            ..Scenario::default()
        },
    );
}

/// All of it at once.
#[test]
fn a_failing_store_that_upserts() {
    let faults = Faults {
        upserts_absent: true,
        fails_before: 5,
        fails_after: 5,
        ..CORRECT
    };
    hold(
        "a_failing_store_that_upserts",
        &Scenario {
            faults,
            ..Scenario::default()
        },
    );
}

/// Spin never frees the handle of a swap: an instance has a few, and then none.
#[test]
fn a_handle_limit() {
    let faults = Faults {
        handles: Some(4),
        ..CORRECT
    };
    hold(
        "a_handle_limit",
        &Scenario {
            faults,
            ..Scenario::default()
        },
    );
}

/// Instances are killed at any moment.
#[test]
fn killed_instances() {
    let faults = Faults {
        upserts_absent: true,
        ..CORRECT
    };
    hold(
        "killed_instances",
        &Scenario {
            faults,
            kills: true,
            ..Scenario::default()
        },
    );
}

/// The one who may create the ledger is killed before it does: another may, after a while.
#[test]
fn a_killed_creator_is_replaced() {
    let faults = Faults {
        upserts_absent: true,
        ..CORRECT
    };
    for seed in 1..=100 {
        clients::replace_a_killed_creator(faults, seed);
    }
}

/// Every instance loses the replies to its first increments, so that nobody may know who was first.
#[test]
fn lost_increments() {
    for lost_increments in 1..=3 {
        let faults = Faults {
            upserts_absent: true,
            lost_increments,
            ..CORRECT
        };
        hold(
            "lost_increments",
            &Scenario {
                faults,
                ..Scenario::default()
            },
        );
        for seed in 1..=100 {
            // One client knows at once that it was first, of several one is let in after some seconds; the store may take 4.
            let alone = clients::first_creations(faults, 1, seed);
            assert!(alone < Duration::from_secs(30), "{seed}: {alone:?}");
            let together = clients::first_creations(faults, 4, seed);
            assert!(together < Duration::from_secs(60), "{seed}: {together:?}");
        }
    }
}

/// A creation that is repeated until it is acknowledged is made once.
#[test]
fn a_repeated_creation() {
    let faults = Faults {
        upserts_absent: true,
        fails_before: 15,
        fails_after: 15,
        ..CORRECT
    };
    for seed in 1..=200 {
        clients::repeat_one_creation(faults, seed);
    }
}

/// A store with a replica in each of three regions, without atomic operations.
fn hold_in_regions(name: &str, scenario: &regions::Scenario) {
    hold_for_seeds(name, 200, |seed| scenario.run(seed));
}

#[test]
fn regions_far_apart() {
    hold_in_regions("regions_far_apart", &regions::Scenario::default());
}

#[test]
fn regions_with_a_retention() {
    let scenario = regions::Scenario {
        retention: 24 * 60 * 60,
        ..regions::Scenario::default()
    };
    hold_in_regions("regions_with_a_retention", &scenario);
}

#[test]
fn regions_with_a_failing_store() {
    let faults = replicas::Faults {
        fails_before: 10,
        fails_after: 10,
    };
    let scenario = regions::Scenario {
        faults,
        ..regions::Scenario::default()
    };
    hold_in_regions("regions_with_a_failing_store", &scenario);
}

#[test]
fn regions_with_killed_instances() {
    let scenario = regions::Scenario {
        kills: true,
        ..regions::Scenario::default()
    };
    hold_in_regions("regions_with_killed_instances", &scenario);
}

#[test]
fn regions_whose_clocks_differ() {
    hold_for_seeds(
        "regions_whose_clocks_differ",
        200,
        regions::remove_by_a_fast_clock,
    );
}
