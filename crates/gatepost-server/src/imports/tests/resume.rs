//! Runs that end early, and go on.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use gatepost_server::imports::{Format, ImportError, MAX_BATCH_ROWS, OnExisting, Options, Source, Tally};
use gatepost_testkit::on_each_db;

use super::{HASH, import, import_while, users};

/// A batch and a part of one.
const ROWS: usize = MAX_BATCH_ROWS + 200;

/// A file of so many rows, of which every hundredth is bad.
fn file(folder: &tempfile::TempDir, rows: usize) -> PathBuf {
    let mut text = String::from("email,username,password_hash\n");
    for row in 1..=rows {
        let at = if row % 100 == 0 { "" } else { "@example.com" };
        writeln!(text, "user{row}{at},user{row},{HASH}").unwrap();
    }
    let path = folder.path().join("users.csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn open(path: &Path) -> Source {
    Source::file(path, Format::Csv).unwrap()
}

on_each_db! {
    async fn rel_01_a_run_goes_on_behind_its_last_batch_and_its_totals_count_on(app: TestApp) {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, ROWS);
        let first = import_while(&app, open(&path), Options::default(), || false).await.unwrap();
        assert!(first.report.stopped);
        assert_eq!(first.report.tally.rows(), MAX_BATCH_ROWS as u64);
        assert_eq!(users(&app).await, 1_980);
        let then = import(&app, open(&path), Options::default()).await.unwrap();
        assert_eq!(then.counts(), [2_178, 0, 0, 0, 22]);
        assert_eq!(then.report.here.rows(), 200);
        assert_eq!(users(&app).await, 2_178);
        let registered = "SELECT count(*) FROM audit_log WHERE action = 'user_registered'";
        assert_eq!(app.number(registered, &[]).await, 2_178);
        let lines: Vec<String> = first.lines.into_iter().chain(then.lines).collect();
        let expected: Vec<String> =
            (1..=22).map(|bad| format!("line {}: email: This is not a mail address.", bad * 100 + 1)).collect();
        assert_eq!(lines, expected);
    }

    async fn a_file_that_is_done_says_so_and_can_be_done_again(app: TestApp) {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, 120);
        import(&app, open(&path), Options::default()).await.unwrap();
        let told = import(&app, open(&path), Options::default()).await.err().unwrap();
        assert!(matches!(told, ImportError::Done(Tally { created: 119, bad: 1, .. })), "{told:?}");
        let again = Options { again: true, ..Options::default() };
        assert_eq!(import(&app, open(&path), again).await.unwrap().counts(), [0, 0, 119, 0, 1]);
    }

    async fn a_run_does_not_go_on_with_other_options(app: TestApp) {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, ROWS);
        import_while(&app, open(&path), Options::default(), || false).await.unwrap();
        let other = Options { on_existing: OnExisting::Skip, ..Options::default() };
        let told = import(&app, open(&path), other).await.err().unwrap();
        assert!(matches!(&told, ImportError::OtherOptions(first) if first == "--on-existing update"), "{told:?}");
        assert_eq!(users(&app).await, 1_980);
    }

    async fn of_two_runs_of_one_file_at_once_the_slower_one_is_told(app: TestApp) {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, ROWS);
        let (reached, at_first_batch) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (node, source) = ((*app).clone(), open(&path));
        let slow = tokio::spawn(async move {
            import_while(&node, source, Options::default(), move || {
                reached.send(()).unwrap();
                // Held up until the other end is dropped, and never again.
                assert!(tokio::task::block_in_place(|| released.recv()).is_err());
                true
            })
            .await
        });
        tokio::task::block_in_place(|| at_first_batch.recv()).unwrap();
        assert_eq!(import(&app, open(&path), Options::default()).await.unwrap().counts(), [2_178, 0, 0, 0, 22]);
        drop(release);
        let told = slow.await.unwrap();
        assert!(matches!(told, Err(ImportError::Overtaken)), "{:?}", told.map(|ended| ended.report));
        assert_eq!(users(&app).await, 2_178);
    }

    async fn a_file_that_changes_while_it_is_read_is_noticed(app: TestApp) {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, 3_000);
        let text = std::fs::read_to_string(&path).unwrap();
        let source = open(&path);
        std::fs::write(&path, text + "late@example.com,late,\n").unwrap();
        let told = import(&app, source, Options::default()).await;
        assert!(matches!(told, Err(ImportError::Read(_))), "{:?}", told.map(|ended| ended.report));
        assert_eq!(users(&app).await, 0);
    }
}
