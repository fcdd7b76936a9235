//! The figures: a table for people, JSON for machines.

use std::fmt;
use std::path::Path;

use gatepost_kernel::Clock;
use serde::Serialize;

use crate::Result;
use crate::load::{Sample, median};

/// Everything that was measured in one run.
#[derive(Serialize)]
pub(crate) struct Report {
    began: String,
    machine: Machine,
    /// Whether the rounds were too short to quote.
    quick: bool,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    /// The load average of the last minute before the run: who else was at work.
    load_before: String,
}

/// One line of the table.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) engine: &'static str,
    pub(crate) operation: &'static str,
    /// 0 where nothing is loaded.
    pub(crate) connections: usize,
    /// The figures by name, in the order of the table.
    pub(crate) figures: Vec<(&'static str, f64)>,
    pub(crate) aims: Vec<Aim>,
}

/// What was hoped for, and what came out.
#[derive(Serialize)]
pub(crate) struct Aim {
    what: &'static str,
    bound: f64,
    got: f64,
    met: bool,
}

impl Aim {
    pub(crate) fn at_least(what: &'static str, bound: f64, got: f64) -> Self {
        Self { what, bound, got, met: got >= bound }
    }

    pub(crate) fn at_most(what: &'static str, bound: f64, got: f64) -> Self {
        Self { what, bound, got, met: got <= bound }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, bound, got, met } = self;
        let (got, bound) = (number(*got), number(*bound));
        if *met {
            write!(f, "{what} {got} (aim {bound}: met)")
        } else {
            let by = (self.got / self.bound - 1.0) * 100.0;
            write!(f, "{what} {got} (aim {bound}: MISSED by {by:+.0} %)")
        }
    }
}

/// The subject and its limit, round by round.
#[derive(Default)]
pub(crate) struct Pair {
    pub(crate) subject: Sample,
    pub(crate) limit: Sample,
}

impl Pair {
    /// The median of the rounds' ratios: what disturbs the machine for longer than a round disturbs both.
    pub(crate) fn ratio(&self) -> f64 {
        let ratios = self.subject.rates.iter().zip(&self.limit.rates).map(|(subject, limit)| subject / limit);
        median(&ratios.collect::<Vec<_>>())
    }

    /// What the table shows of it.
    pub(crate) fn figures(&self, peak_mib: f64) -> Vec<(&'static str, f64)> {
        let Sample { errors, cpu, .. } = &self.subject;
        let subject = &self.subject;
        let spread = subject.rates.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            - subject.rates.iter().copied().fold(f64::INFINITY, f64::min);
        let mut figures = vec![
            ("per_second", subject.per_second()),
            ("spread", spread),
            ("p50_ms", subject.quantile(0.5)),
            ("p99_ms", subject.quantile(0.99)),
            ("errors", *errors as f64),
            ("server_cpu_us", median(cpu)),
            ("peak_mib", peak_mib),
            ("limit_per_second", self.limit.per_second()),
            ("ratio", self.ratio()),
        ];
        if !self.limit.cpu.is_empty() {
            figures.push(("limit_cpu_us", median(&self.limit.cpu)));
        }
        figures
    }
}

impl Report {
    pub(crate) fn new(quick: bool) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let processor = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let machine = Machine {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor: processor.trim_start_matches([' ', '\t', ':']).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        };
        Self { began: Clock::system().now().to_string(), machine, quick, rows: Vec::new() }
    }

    /// Adds a line, and shows it at once: a run takes minutes.
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{row}");
        self.rows.push(row);
    }

    pub(crate) fn save(&self, path: &Path) -> Result {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cores, processor, kernel, load_before } = &self.machine;
        writeln!(f, "{cores} cores, {processor}, Linux {kernel}; load before {load_before}; {}", self.began)?;
        if self.quick {
            writeln!(f, "A quick run: not to be quoted.")?;
        }
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<10} {:<12}", self.engine, self.operation)?;
        if self.connections > 0 {
            write!(f, " {:>2}", self.connections)?;
        } else {
            write!(f, "   ")?;
        }
        for (name, value) in &self.figures {
            write!(f, "  {name} {:>7}", number(*value))?;
        }
        self.aims.iter().try_for_each(|aim| write!(f, "  | {aim}"))
    }
}

/// Three digits that say something.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_aim_says_by_how_much() {
        let missed = Aim::at_least("ratio", 0.5, 0.4);
        assert_eq!(missed.to_string(), "ratio 0.40 (aim 0.50: MISSED by -20 %)");
        assert_eq!(Aim::at_most("MiB", 25.0, 20.0).to_string(), "MiB 20.0 (aim 25.0: met)");
        assert!(!Aim::at_most("MiB", 25.0, 26.0).met);
    }

    #[test]
    fn a_ratio_compares_rounds_that_followed_each_other() {
        let sample = |rates: &[f64]| Sample { rates: rates.to_vec(), ..Sample::default() };
        // The machine was slow in the second round, for both.
        let pair = Pair { subject: sample(&[50.0, 10.0, 50.0]), limit: sample(&[100.0, 20.0, 100.0]) };
        assert_eq!(pair.ratio(), 0.5);
    }
}
