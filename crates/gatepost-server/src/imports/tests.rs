//! Accounts from files.

use std::io::Cursor;
use std::ops::ControlFlow;

use gatepost_server::imports::{Format, Happening, ImportError, Options, Report, Source, Tally, run};
use gatepost_testkit::{Node, TestApp};

#[path = "tests/create.rs"]
mod create;
#[path = "tests/export.rs"]
mod export;
#[path = "tests/resume.rs"]
mod resume;
#[path = "tests/update.rs"]
mod update;

/// What `HASH` is a hash of, as another system made it.
const OLD_PASSWORD: &str = "correct horse battery staple";
const HASH: &str = "$2b$04$SKp4rvffoIMBFLtw0iqPSeUn.YJrsgFZLEvkUdQKn.ZPFMvLKO4.C";

/// How a run ended, and what it said about bad rows.
struct Ended {
    report: Report,
    lines: Vec<String>,
}

impl Ended {
    /// Created, updated, unchanged, skipped, bad.
    fn counts(&self) -> [u64; 5] {
        let Tally { created, updated, unchanged, skipped, bad } = self.report.tally;
        [created, updated, unchanged, skipped, bad]
    }
}

/// Imports a source; `goes_on` is asked behind each batch.
async fn import_while(
    node: &Node,
    source: Source,
    options: Options,
    mut goes_on: impl FnMut() -> bool + Send,
) -> Result<Ended, ImportError> {
    let mut lines = Vec::new();
    let report = run(&node.app, source, options, &mut |happening| match happening {
        Happening::Bad(complaint) => {
            lines.push(complaint.to_string());
            ControlFlow::Continue(())
        }
        Happening::Advanced(_) if !goes_on() => ControlFlow::Break(()),
        Happening::Advanced(_) | Happening::Resumed(_) => ControlFlow::Continue(()),
    })
    .await?;
    Ok(Ended { report, lines })
}

async fn import(node: &Node, source: Source, options: Options) -> Result<Ended, ImportError> {
    import_while(node, source, options, || true).await
}

fn stream(text: &str, format: Format) -> Source {
    Source::stream(Cursor::new(text.to_owned()), format)
}

async fn csv(app: &TestApp, text: &str) -> Ended {
    import(app, stream(text, Format::Csv), Options::default()).await.unwrap()
}

async fn jsonl(app: &TestApp, text: &str) -> Ended {
    import(app, stream(text, Format::Jsonl), Options::default()).await.unwrap()
}

/// How many rows a table has.
async fn users(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM users", &[]).await
}

async fn entries(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM audit_log", &[]).await
}
