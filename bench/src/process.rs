//! A server in a process of its own: started, asked whether it is ready, measured from outside, stopped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::client::{Connection, request};

/// How long a server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a server and waits until it answers. Its log goes where nobody reads: the same for all.
    pub(crate) async fn start(command: &mut Command, address: SocketAddr) -> Result<(Self, Duration)> {
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let mut process = Self { child, address };
        let question = request("GET", "/readyz", "", "");
        loop {
            if let Ok(mut connection) = Connection::open(address).await
                && connection.exchange(&question).await.is_ok_and(|answer| answer.status == 200)
            {
                return Ok((process, began.elapsed()));
            }
            if let Some(status) = process.child.try_wait()? {
                return Err(format!("the server ended before it was ready: {status}").into());
            }
            if began.elapsed() > PATIENCE {
                return Err("the server does not become ready".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The memory that is resident now, and the most that ever was since [`Process::forget_peak`], in MiB.
    pub(crate) fn memory(&self) -> Result<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib / 1_024.0)
        };
        match (field("VmRSS:"), field("VmHWM:")) {
            (Some(now), Some(peak)) => Ok((now, peak)),
            (None, _) | (_, None) => Err("the kernel does not tell the server's memory".into()),
        }
    }

    /// Lets the peak begin anew (`proc(5)`, `clear_refs`). Where the kernel refuses, it goes on from the start.
    pub(crate) fn forget_peak(&self) {
        drop(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5"));
    }

    /// The processor time that the server has taken, in steps of 10 ms.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Fields are counted behind the name, which may hold anything but ends with the last parenthesis.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Asks the server to end, and waits.
    pub(crate) async fn stop(mut self) -> Result {
        if let Some(pid) = Pid::from_raw(i32::try_from(self.child.id())?) {
            kill_process(pid, Signal::TERM)?;
        }
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                return Err("the server does not stop".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After `stop` both say that there is nothing left to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A loopback address that nobody listened on a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
