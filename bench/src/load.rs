//! Load: a fixed number of connections, each asking again as soon as it was answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::Connection;
use crate::process::Process;
use crate::{Plan, Result};

/// What one connection asks.
pub(crate) trait Script: Send + 'static {
    /// The next request.
    fn request(&mut self) -> &[u8];
    /// Takes the answer; false when it is not the one that was hoped for.
    fn answer(&mut self, status: u16, body: &[u8]) -> bool;
}

/// What came out of one round or of several.
#[derive(Clone, Default)]
pub(crate) struct Sample {
    /// Answers a second, of each round.
    pub(crate) rates: Vec<f64>,
    /// In microseconds.
    pub(crate) latencies: Vec<u32>,
    pub(crate) errors: u64,
    /// Processor time that the server took for one answer, in microseconds, of each round.
    pub(crate) cpu: Vec<f64>,
}

impl Sample {
    /// A round that was counted elsewhere.
    pub(crate) fn of_rate(rate: f64) -> Self {
        Self { rates: vec![rate], ..Self::default() }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.rates.extend(other.rates);
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.cpu.extend(other.cpu);
    }

    /// Answers a second in the median round.
    pub(crate) fn per_second(&self) -> f64 {
        median(&self.rates)
    }

    /// The latency that this part (0 to 1) of all answers did not exceed, in milliseconds.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = (part * sorted.len() as f64).ceil() as usize;
        sorted.get(index.saturating_sub(1)).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    }
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match (sorted.len(), sorted.get(sorted.len() / 2)) {
        (_, None) => 0.0,
        (length, Some(upper)) if length % 2 == 0 => f64::midpoint(sorted[length / 2 - 1], *upper),
        (_, Some(middle)) => *middle,
    }
}

/// When to count.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Window {
    pub(crate) fn of(plan: &Plan) -> Self {
        let from = Instant::now() + plan.warm_up;
        Self { from, to: from + plan.round }
    }

    pub(crate) fn holds(&self, instant: Instant) -> bool {
        (self.from..self.to).contains(&instant)
    }

    pub(crate) fn rate(&self, count: usize) -> f64 {
        count as f64 / (self.to - self.from).as_secs_f64()
    }
}

/// Loads a server for one round with as many connections as there are scripts.
pub(crate) async fn round<S: Script>(server: &Process, scripts: &mut Vec<S>, plan: &Plan) -> Result<Sample> {
    let window = Window::of(plan);
    let mut tasks = Vec::new();
    for script in scripts.drain(..) {
        tasks.push(tokio::spawn(drive(server.address, script, window)));
    }
    tokio::time::sleep_until(window.from.into()).await;
    let before = server.cpu()?;
    tokio::time::sleep_until(window.to.into()).await;
    let cpu = server.cpu()?.saturating_sub(before);

    let mut sample = Sample::default();
    for task in tasks {
        let (script, latencies, errors) = task.await?;
        scripts.push(script);
        sample.latencies.extend(latencies);
        sample.errors += errors;
    }
    sample.rates.push(window.rate(sample.latencies.len()));
    if !sample.latencies.is_empty() {
        sample.cpu.push(cpu.as_secs_f64() * 1e6 / sample.latencies.len() as f64);
    }
    Ok(sample)
}

/// One connection. A request that is on its way when the window closes is still answered, so that the script knows
/// where it stands.
pub(crate) async fn drive<S: Script>(
    address: SocketAddr,
    mut script: S,
    window: Window,
) -> (S, Vec<u32>, u64) {
    let (mut latencies, mut errors) = (Vec::new(), 0);
    let mut connection = None;
    while Instant::now() < window.to {
        let began = Instant::now();
        let outcome = ask(&mut connection, address, &mut script).await;
        let ended = Instant::now();
        match outcome {
            Ok(true) if window.holds(ended) => {
                let micros = u32::try_from((ended - began).as_micros());
                latencies.push(micros.unwrap_or(u32::MAX));
            }
            Ok(true) => {}
            Ok(false) => errors += 1,
            Err(_) => {
                errors += 1;
                connection = None;
                // A server that is gone would be asked again without end.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    (script, latencies, errors)
}

async fn ask<S: Script>(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    script: &mut S,
) -> std::io::Result<bool> {
    if connection.is_none() {
        *connection = Some(Connection::open(address).await?);
    }
    let Some(connection) = connection else { return Ok(false) };
    let answer = connection.exchange(script.request()).await?;
    Ok(script.answer(answer.status, answer.body))
}

/// Asks once with each script, over `width` connections at a time; fails when an answer is not the one hoped for.
pub(crate) async fn once<S: Script>(address: SocketAddr, scripts: Vec<S>, width: usize) -> Result<Vec<S>> {
    let mut done = Vec::with_capacity(scripts.len());
    let mut scripts = scripts.into_iter();
    loop {
        let tasks: Vec<_> = scripts
            .by_ref()
            .take(width)
            .map(|mut script| {
                tokio::spawn(async move {
                    let fine = ask(&mut None, address, &mut script).await?;
                    std::io::Result::Ok((script, fine))
                })
            })
            .collect();
        if tasks.is_empty() {
            return Ok(done);
        }
        for task in tasks {
            let (script, fine) = task.await??;
            if !fine {
                return Err("the server refused a request that prepares the measurement".into());
            }
            done.push(script);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_latencies_that_were_measured() {
        let latencies = (1..=100).rev().map(|millis| millis * 1_000).collect();
        let sample = Sample { latencies, ..Sample::default() };
        assert_eq!([0.5, 0.99, 1.0].map(|part| sample.quantile(part)), [50.0, 99.0, 100.0]);
        assert_eq!(Sample::default().quantile(0.5), 0.0);
    }

    #[test]
    fn one_round_that_was_disturbed_does_not_move_the_median_far() {
        assert_eq!(median(&[10.0, 11.0, 2.0]), 10.0);
        assert_eq!(median(&[10.0, 12.0]), 11.0);
        assert_eq!(median(&[]), 0.0);
    }
}
