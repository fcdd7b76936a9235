//! A private PostgreSQL cluster that lives as long as its [`Cluster`] value, and no longer.
//!
//! The cluster belongs to a *keeper*: a small shell process that starts the server, waits until its standard
//! input ends, stops the server and deletes the folder. We hold the other end of that pipe. However we end, by
//! returning, by a panic, by Ctrl-C or by `kill -9`, the kernel closes the pipe and the keeper cleans up. So
//! there is one way out and no signal handler.
//!
//! PostgreSQL refuses to run as root. When we are root, the keeper and all that it starts run as an ordinary
//! user that exists on the machine.

mod account;
mod server;

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use tempfile::TempDir;

pub(crate) use self::account::is_root;

use self::account::Account;
use self::server::Binaries;
use crate::Result;

/// Whether the cluster's promises hold when the machine loses power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fsync {
    /// As in production. Needed wherever durability or speed is what is looked at.
    On,
    /// Never waits for the disk. Honest for tests, because what they crash is our process, never PostgreSQL or
    /// the machine: a commit that PostgreSQL has acknowledged stays visible as long as its own process lives.
    Off,
}

/// A running PostgreSQL server of our own. Dropping it stops the server and deletes its data.
pub(crate) struct Cluster {
    keeper: Child,
    port: u16,
    programs: PathBuf,
    // Declared last, so that it goes after the keeper has ended. The keeper empties the folder; this removes
    // what it cannot remove itself when the parent folder does not belong to its user.
    _folder: TempDir,
}

/// Enough for a test process on each core, each with several pools.
const MAX_CONNECTIONS: u32 = 400;

/// The role that connects. It may create databases and is no superuser, as in production. So a stranger on the
/// same machine, who can reach a loopback port too, cannot make the server run programs or read files for him.
const ROLE: &str = "gatepost";

/// Somebody may take the free port between our looking and the server's binding.
const START_ATTEMPTS: u32 = 5;

/// Makes the cluster, says `ready`, waits for the end of its input, and cleans up. When it fails, it says why
/// instead. Its arguments: the folder of PostgreSQL's programs, the cluster's folder, the port, and the texts
/// of `pg_hba.conf`, of the settings and of the first statements.
///
/// The signals are ignored because neither Ctrl-C nor our early death may end the one who cleans up. Single-user mode goes on after a
/// failed statement and ends well, so its words are looked at. The server is the keeper's own child and not
/// `pg_ctl`'s, so that somebody reaps it also in a container without an init process. SIGQUIT is the fastest
/// way to stop: nobody reads this data again.
const KEEPER: &str = r#"
trap '' HUP INT PIPE TERM
bin=$1 home=$2 port=$3 access=$4 settings=$5 statements=$6
cd "$home" || exit
begin() {
    "$bin/initdb" --username=postgres --encoding=UTF8 --locale=C --auth=reject --no-sync --pgdata="$home/data" &&
    printf '%s' "$access" >"$home/data/pg_hba.conf" &&
    printf '%s' "$settings" >>"$home/data/postgresql.conf" &&
    printf '%s' "$statements" | "$bin/postgres" --single -D "$home/data" postgres &&
    ! grep -e ERROR: -e FATAL: "$home/log" >/dev/null || return
    "$bin/postgres" -D "$home/data" -p "$port" &
    server=$!
    until grep '^ready' "$home/data/postmaster.pid" >/dev/null
    do kill -0 "$server" && sleep 0.05 || return
    done
}
if begin </dev/null >"$home/log" 2>&1
then
    echo ready
    cat >/dev/null
    kill -QUIT "$server"
    wait "$server"
else cat "$home/log"
fi
cd / && rm -rf "$home"
"#;

impl Cluster {
    /// Starts a server on a free loopback port.
    ///
    /// # Errors
    ///
    /// When PostgreSQL is neither installed nor installable, or when it does not start; with its own words.
    pub(crate) fn start(fsync: Fsync) -> Result<Self> {
        let binaries = Binaries::find_or_install()?;
        let account = Account::for_server()?;
        let mut attempt = 1;
        loop {
            match Self::start_on(free_port()?, &binaries, &account, fsync)? {
                Ok(cluster) => return Ok(cluster),
                Err(log) if log.contains("could not bind") && attempt < START_ATTEMPTS => attempt += 1,
                Err(log) => return Err(format!("PostgreSQL did not start. It says:\n{log}").into()),
            }
        }
    }

    /// The inner error is what PostgreSQL said when it did not start.
    fn start_on(
        port: u16,
        binaries: &Binaries,
        account: &Account,
        fsync: Fsync,
    ) -> Result<std::result::Result<Self, String>> {
        let folder = tempfile::Builder::new().prefix("gatepost-postgres-").tempdir()?;
        account.own(folder.path())?;
        let mut keeper = account
            .command(Path::new("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .args([binaries.folder(), folder.path()])
            .args([port.to_string(), access(), settings(folder.path(), fsync), statements()])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C goes to the terminal's foreground group, which the keeper leaves.
            .process_group(0)
            .spawn()?;
        let mut said = String::new();
        if let Some(output) = keeper.stdout.take() {
            let mut output = BufReader::new(output);
            output.read_line(&mut said)?;
            if said != "ready\n" {
                output.read_to_string(&mut said)?;
            }
        }
        let programs = binaries.folder().to_owned();
        let cluster = Self { keeper, port, programs, _folder: folder };
        Ok(if said == "ready\n" { Ok(cluster) } else { Err(said) })
    }

    /// Where the server listens, as the URL of its maintenance database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/postgres", self.port)
    }

    /// The folder of PostgreSQL's programs, all of one version.
    pub(crate) fn programs(&self) -> &Path {
        &self.programs
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!("xtask: PostgreSQL on port {} may still be running: {error}", self.port);
        }
    }
}

fn access() -> String {
    format!("host all {ROLE} 127.0.0.1/32 trust\n")
}

/// PostgreSQL 15 gives the right to create tables to the owner of a database only, so the maintenance database
/// becomes our role's. One statement a line: that is what single-user mode reads.
fn statements() -> String {
    format!("CREATE ROLE {ROLE} LOGIN CREATEDB;\nALTER DATABASE postgres OWNER TO {ROLE};\n")
}

fn settings(folder: &Path, fsync: Fsync) -> String {
    let mut settings = format!(
        "listen_addresses = '127.0.0.1'\n\
         unix_socket_directories = '{}'\n\
         max_connections = {MAX_CONNECTIONS}\n",
        folder.display().to_string().replace('\'', "''"),
    );
    match fsync {
        Fsync::On => {}
        Fsync::Off => settings.push_str("fsync = off\nfull_page_writes = off\n"),
    }
    settings
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_test_cluster_gives_up_fsync() {
        let folder = Path::new("/tmp/x");
        assert!(!settings(folder, Fsync::On).contains("fsync"));
        assert!(settings(folder, Fsync::Off).contains("fsync = off"));
    }

    #[test]
    fn the_server_listens_on_loopback_only() {
        let settings = settings(Path::new("/tmp/it's"), Fsync::On);
        assert!(settings.contains("listen_addresses = '127.0.0.1'\n"));
        assert!(settings.contains("unix_socket_directories = '/tmp/it''s'\n"));
    }
}
