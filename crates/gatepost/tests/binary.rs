//! The real binary, run as its operator would: in an empty folder, on a free port, with signals and second processes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails, with the reason")]

#[path = "binary/audit.rs"]
mod audit;
#[path = "binary/commands.rs"]
mod commands;
#[path = "binary/doctor.rs"]
mod doctor;
#[path = "binary/import.rs"]
mod import;
#[path = "binary/limits.rs"]
mod limits;
#[path = "binary/process.rs"]
mod process;
#[path = "binary/schema.rs"]
mod schema;
#[path = "binary/second_factor.rs"]
mod second_factor;
#[path = "binary/serving.rs"]
mod serving;
#[path = "binary/stopping.rs"]
mod stopping;
#[path = "binary/trust.rs"]
mod trust;
