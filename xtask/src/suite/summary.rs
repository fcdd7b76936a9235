//! The numbers that the test runners print at their end.
//!
//! A word that is not known counts as a failure: a runner that learns a new way to fail must not make the suite
//! look better than it is.

use std::fmt;
use std::ops::AddAssign;

/// How many tests ended how. Shown as the last line of the suite, which other programs read.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Whose summary it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Runner {
    /// One line at the end: `Summary [ 0.1s] 9 tests run: 7 passed (1 slow), 2 failed, 1 skipped`.
    Nextest,
    /// One line for each test binary: `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; …`.
    Libtest,
}

impl Runner {
    /// Adds up what the runner says in these lines.
    pub(super) fn counts(self, lines: &[String]) -> Counts {
        let mut total = Counts::default();
        match self {
            Self::Nextest => {
                // The last one: a failed test's own output may hold such a line too, and comes earlier.
                let summary = lines.iter().rev().find_map(|line| {
                    let (_, rest) = line.trim_start().strip_prefix("Summary [")?.split_once(']')?;
                    rest.split_once(" run: ")
                });
                for (number, word) in summary.iter().flat_map(|(_, counts)| numbers(counts, ',')) {
                    match word.as_str() {
                        "passed" => total.passed += number,
                        "skipped" => total.skipped += number,
                        _ => total.failed += number,
                    }
                }
            }
            Self::Libtest => {
                let results =
                    lines.iter().filter_map(|line| line.strip_prefix("test result: ")?.split_once(". "));
                for (number, word) in results.flat_map(|(_, counts)| numbers(counts, ';')) {
                    match word.as_str() {
                        "passed" | "measured" => total.passed += number,
                        "ignored" => total.skipped += number,
                        // Not this run's tests.
                        "filtered out" => {}
                        _ => total.failed += number,
                    }
                }
            }
        }
        total
    }
}

/// The pairs of `<number> <word>` between the separators. What stands in parentheses is a detail of its pair,
/// and what does not begin with a number (`finished in 0.01s`) is no count.
fn numbers(text: &str, separator: char) -> Vec<(u64, String)> {
    let mut outer = String::new();
    let mut depth = 0_u32;
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => outer.push(letter),
            _ => {}
        }
    }
    outer
        .split(separator)
        .filter_map(|pair| {
            let (number, word) = pair.trim().split_once(' ')?;
            Some((number.parse().ok()?, word.trim().to_owned()))
        })
        .collect()
}

/// A line without its end and without colours (ECMA-48 control sequences: `ESC [ … letter`).
pub(super) fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.trim_end().chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().skip(1).find(char::is_ascii_alphabetic);
        } else {
            plain.push(letter);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(runner: Runner, text: &str) -> Counts {
        runner.counts(&text.lines().map(plain).collect::<Vec<_>>())
    }

    #[test]
    fn nextest_counts_every_way_to_fail() {
        let text = "     Summary [   1.234s] 14/15 tests run: 9 passed (1 slow, 2 flaky, 1 leaky), 2 failed (1 due \
                    to being leaky), 1 exec failed, 2 timed out, 3 skipped";
        assert_eq!(counts(Runner::Nextest, text), Counts { passed: 9, failed: 5, skipped: 3 });
    }

    #[test]
    fn one_test_in_colour_is_counted() {
        let text = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.003s] \u{1b}[1m1\u{1b}[0m test run: \u{1b}[1m1\u{1b}[0m \
                    \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped";
        assert_eq!(counts(Runner::Nextest, text), Counts { passed: 1, failed: 0, skipped: 0 });
    }

    #[test]
    fn a_test_that_prints_a_summary_does_not_count_for_nextest() {
        let text =
            "Summary [ 1s] 99 tests run: 99 passed, 0 skipped\nSummary [ 1s] 1 test run: 0 passed, 1 failed";
        assert_eq!(counts(Runner::Nextest, text), Counts { passed: 0, failed: 1, skipped: 0 });
    }

    #[test]
    fn libtest_adds_its_binaries_up() {
        let text = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s\n\
                    running 2 tests\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(counts(Runner::Libtest, text), Counts { passed: 6, failed: 1, skipped: 1 });
    }

    #[test]
    fn no_summary_is_no_test() {
        assert_eq!(counts(Runner::Nextest, "error: could not compile"), Counts::default());
        assert_eq!(counts(Runner::Libtest, "error: could not compile"), Counts::default());
    }

    #[test]
    fn the_total_line_names_skipped_tests_only_when_there_are_some() {
        assert_eq!(Counts { passed: 3, failed: 0, skipped: 0 }.to_string(), "3 passed, 0 failed");
        assert_eq!(Counts { passed: 3, failed: 1, skipped: 2 }.to_string(), "3 passed, 1 failed, 2 skipped");
    }
}
