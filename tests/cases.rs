//! Tables of cases: a failure names its row, and the rows after it still run.

use std::fmt::Debug;

/// Collects what differs; its end is the verdict.
#[derive(Default)]
pub struct Cases {
    run: usize,
    wrong: Vec<String>,
}

impl Cases {
    /// One row: `seen` must be `expected`.
    pub fn check<T: PartialEq + Debug>(&mut self, case: impl Debug, seen: T, expected: T) {
        self.run += 1;
        if seen != expected {
            self.wrong
                .push(format!("{case:?}: expected {expected:?}, saw {seen:?}"));
        }
    }
}

impl Drop for Cases {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for wrong in &self.wrong {
                eprintln!("{wrong}");
            }
            return;
        }
        assert!(self.run > 0, "a table without rows");
        assert!(
            self.wrong.is_empty(),
            "{} of {} cases are wrong:\n{}",
            self.wrong.len(),
            self.run,
            self.wrong.join("\n")
        );
    }
}
