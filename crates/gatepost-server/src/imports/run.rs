//! A run: rows are read and believed on a thread of their own, and written batch by batch.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gatepost_db::{DbError, DirectoryLock};
use gatepost_kernel::{Clock, Id, Random};
use tokio::sync::mpsc;

use super::batch::{Batch, Done, Job, Undone};
use super::checkpoint::{Checkpoint, Tally};
use super::feed::Place;
use super::known::Rules;
use super::row::{Beliefs, Complaint};
use super::source::{FileHash, Rows, Source};
use super::{MAX_BATCH_ROWS, OnExisting, sql};
use crate::access;
use crate::app::App;

/// A batch that took longer is followed by a smaller one: others want to write, too.
const LONG: Duration = Duration::from_millis(250);
/// How small batches get.
const FEWEST_ROWS: usize = 20;
/// How often a batch that met somebody else is tried again, …
const TRIES: u32 = 30;
/// … and how long after.
const PAUSE: Duration = Duration::from_millis(200);

/// After so much writing others get a turn, where a server runs on the same data, …
const TURN: Duration = Duration::from_millis(500);
/// … for so long: SQLite asks at least every tenth of a second whether its file is free, and would otherwise ask in vain.
const REST: Duration = Duration::from_millis(110);

/// What the operator decided about a run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is done with a row whose account is there.
    pub on_existing: OnExisting,
    /// Whether a hash of the file takes the place of a password that is there.
    pub replace_passwords: bool,
    /// Whether everything is checked and nothing written.
    pub dry_run: bool,
    /// Whether a file is imported from its beginning, although it was imported before.
    pub again: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { on_existing: OnExisting::Update, replace_passwords: false, dry_run: false, again: false }
    }
}

impl Options {
    /// What must be the same when a run goes on.
    fn text(self) -> String {
        let existing = match self.on_existing {
            OnExisting::Update => "update",
            OnExisting::Skip => "skip",
            OnExisting::Error => "error",
        };
        let passwords = if self.replace_passwords { " --replace-passwords" } else { "" };
        format!("--on-existing {existing}{passwords}")
    }

    const fn rules(self) -> Rules {
        Rules { on_existing: self.on_existing, replace_passwords: self.replace_passwords }
    }
}

/// Something that whoever watches a run may want to say.
pub enum Happening<'a> {
    /// The run goes on behind what an earlier one has done.
    Resumed(&'a Checkpoint),
    /// A row was bad. It is said once the batch of it is durable.
    Bad(&'a Complaint),
    /// A batch is durable.
    Advanced(Progress),
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Bytes of the file that are done.
    pub bytes: u64,
    /// What became of all rows so far, those of earlier runs of the file included.
    pub tally: Tally,
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// What became of all rows, those of earlier runs of the file included.
    pub tally: Tally,
    /// What became of the rows of this run.
    pub here: Tally,
    /// Whether it was stopped before the end.
    pub stopped: bool,
}

/// Why a run did not begin, or did not reach the end. What it had done by then stays done, and counts when it goes on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The header, or the first line of JSON, names what is not known. Nothing was written.
    #[error("{}", .0.join("\n"))]
    Columns(Vec<String>),
    /// The file was imported before.
    #[error("this file was imported already: {} rows", .0.rows())]
    Done(Tally),
    /// The file was begun with other options.
    #[error("this file was begun with other options: {0}")]
    OtherOptions(String),
    /// Another run of the same file goes on at the same time.
    #[error("another process imports this file")]
    Overtaken,
    /// The file cannot be read, or was changed meanwhile.
    #[error("cannot read the rows")]
    Read(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Imports the rows of a source. `observe` hears what happens and may end the run behind a batch.
///
/// # Errors
/// [`ImportError`].
pub async fn run(
    app: &App,
    source: Source,
    options: Options,
    observe: &mut (dyn FnMut(Happening<'_>) -> ControlFlow<()> + Send),
) -> Result<Report, ImportError> {
    // A dry run begins at the beginning, and leaves no trace.
    let file = source.hash().filter(|_| !options.dry_run);
    let found = earlier(app, file, options).await?;
    let begun = found.clone().unwrap_or_else(|| Checkpoint::new(options.text(), app.clock.now()));
    let rows = source.open(begun.place)?.map_err(ImportError::Columns)?;
    let size = Arc::new(AtomicUsize::new(MAX_BATCH_ROWS));
    let mut batches = read(Reader {
        rows,
        beliefs: beliefs(app).await?,
        clock: app.clock.clone(),
        random: app.random.clone(),
        size: Arc::clone(&size),
    })?;
    let mut next = batches.recv().await.transpose()?;
    let (mut stopped, mut worked) = (false, Duration::ZERO);
    match (&found, &next) {
        (Some(found), _) => {
            stopped = observe(Happening::Resumed(found)).is_break();
            next = next.filter(|_| !stopped);
        }
        (None, Some(first)) => begin(app, file, &begun, first).await?,
        (None, None) => {}
    }
    let mut at = begun.clone();
    while let Some(batch) = next {
        let job = Job {
            batch: Arc::new(batch),
            rules: options.rules(),
            history: app.config.passwords.history,
            attempts: app.attempts.clone(),
            identities: app.identities.clone(),
            from: at,
            file,
            dry: options.dry_run,
        };
        let began = Instant::now();
        let Done { to, complaints } = write(app, job).await?;
        for complaint in &complaints {
            stopped |= observe(Happening::Bad(complaint)).is_break();
        }
        let progress = Progress { bytes: to.place.offset, tally: to.tally };
        stopped |= observe(Happening::Advanced(progress)).is_break();
        at = to;
        let took = began.elapsed();
        adapt(&size, took);
        worked = rest(app, worked + took).await;
        next = if stopped { None } else { batches.recv().await.transpose()? };
    }
    if let Some(file) = file.filter(|_| !stopped) {
        let now = app.clock.now();
        app.db.write(move |tx| sql::finish(tx, &file, now)).await?;
    }
    Ok(report(&begun, &at, stopped))
}

async fn beliefs(app: &App) -> Result<Beliefs, DbError> {
    let (roles, hasher) = (app.db.read(access::known_roles).await?, app.hasher.clone());
    Ok(Beliefs { now: app.clock.now(), roles, can_verify: Box::new(move |hash| hasher.can_verify(hash)) })
}

/// Notes that the import of a file begins, once its first rows were read and name only what is known.
async fn begin(
    app: &App,
    file: Option<FileHash>,
    begun: &Checkpoint,
    first: &Batch,
) -> Result<(), ImportError> {
    see_fields(first)?;
    let Some(file) = file else { return Ok(()) };
    let begun = begun.clone();
    Ok(app.db.write(move |tx| sql::begin(tx, &file, &begun)).await?)
}

/// Where an earlier run of the same file has got to, if it did not reach the end.
async fn earlier(
    app: &App,
    file: Option<FileHash>,
    options: Options,
) -> Result<Option<Checkpoint>, ImportError> {
    let Some(file) = file.filter(|_| !options.again) else { return Ok(None) };
    match app.db.read(move |tx| sql::checkpoint(tx, &file)).await? {
        Some(found) if found.finished_at.is_some() => Err(ImportError::Done(found.tally)),
        Some(found) if found.options != options.text() => Err(ImportError::OtherOptions(found.options)),
        found => Ok(found),
    }
}

/// A file of JSON has no header: its first line stands for one.
fn see_fields(first: &Batch) -> Result<(), ImportError> {
    match first.rows.first() {
        Some(Err(complaint)) if complaint.names_unknown_fields => {
            Err(ImportError::Columns(vec![complaint.to_string()]))
        }
        Some(_) | None => Ok(()),
    }
}

/// Writes a batch. Whoever writes at the same time is waited for.
async fn write(app: &App, job: Job) -> Result<Done, ImportError> {
    for _ in 1..TRIES {
        match write_once(app, job.clone()).await {
            Err(ImportError::Db(DbError::Busy | DbError::Conflict | DbError::Timeout)) => {
                tokio::time::sleep(PAUSE).await;
            }
            ended => return ended,
        }
    }
    write_once(app, job).await
}

async fn write_once(app: &App, job: Job) -> Result<Done, ImportError> {
    let act = app.operator_act();
    match app.db.write(move |tx| job.run(tx, &act)).await {
        Ok(done) => Ok(done),
        Err(Undone::Dry(done)) => Ok(*done),
        Err(Undone::Overtaken) => Err(ImportError::Overtaken),
        Err(Undone::Db(error)) => Err(error.into()),
    }
}

/// Keeps the transaction short on a slow disk, where a server beside it waits for its turn.
fn adapt(size: &AtomicUsize, took: Duration) {
    let now = size.load(Ordering::Relaxed);
    let next = if took > LONG { now / 2 } else { now * 2 };
    size.store(next.clamp(FEWEST_ROWS, MAX_BATCH_ROWS), Ordering::Relaxed);
}

/// Lets a server have its turn, and returns what was worked since.
async fn rest(app: &App, worked: Duration) -> Duration {
    if worked < TURN {
        return worked;
    }
    // Where that cannot be seen, nobody is waited for.
    if DirectoryLock::is_held(&app.config.server.data_dir).unwrap_or(false) {
        tokio::time::sleep(REST).await;
    }
    Duration::ZERO
}

const fn report(begun: &Checkpoint, at: &Checkpoint, stopped: bool) -> Report {
    Report { tally: at.tally, here: at.tally.minus(begun.tally), stopped }
}

/// What reads.
struct Reader {
    rows: Rows,
    beliefs: Beliefs,
    clock: Clock,
    random: Random,
    size: Arc<AtomicUsize>,
}

/// Reads ahead by a batch, on a thread of its own: reading may wait for a pipe, and believing takes as long as writing.
/// The thread ends with the file, or when nobody takes its batches any more.
fn read(mut reader: Reader) -> io::Result<mpsc::Receiver<io::Result<Batch>>> {
    let (sender, batches) = mpsc::channel(1);
    std::thread::Builder::new().name("gatepost-import".to_owned()).spawn(move || {
        while let Some(batch) = reader.batch().transpose() {
            let failed = batch.is_err();
            if sender.blocking_send(batch).is_err() || failed {
                return;
            }
        }
    })?;
    Ok(batches)
}

impl Reader {
    fn batch(&mut self) -> io::Result<Option<Batch>> {
        let mut rows = Vec::new();
        while rows.len() < self.size.load(Ordering::Relaxed) {
            match self.rows.next(&self.beliefs)? {
                Some(row) => {
                    rows.push(row.map(|row| (Id::generate(self.clock.now(), &self.random), row)));
                }
                None => break,
            }
        }
        self.rows.see_unchanged()?;
        let end: Place = self.rows.place();
        Ok((!rows.is_empty()).then_some(Batch { rows, end }))
    }
}
