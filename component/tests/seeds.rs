//! What the fuzzer began with and what it found, in `fuzz/seeds`: everything holds for it.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test")]

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

#[test]
fn everything_holds_for_all_seeds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    for (name, check) in fuzz::TARGETS {
        let files = fs::read_dir(seeds.join(name)).unwrap();
        let mut count = 0;
        for file in files {
            let path = file.unwrap().path();
            let input = fs::read(&path).unwrap();
            // The name of the file, if it fails.
            eprintln!("{}", path.display());
            check(&input);
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}
