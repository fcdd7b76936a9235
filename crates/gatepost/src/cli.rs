//! What can be typed.
#![expect(
    rustdoc::broken_intra_doc_links,
    rustdoc::bare_urls,
    reason = "these comments are help texts, not documentation"
)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use gatepost_kernel::Timestamp;
use gatepost_server::audit::Head;

use crate::{export, import};

const AFTER_HELP: &str = "Examples:
  gatepost                                       Serve on http://127.0.0.1:8080 with SQLite in ./data
  gatepost --database-url-file /run/secrets/url  The same on PostgreSQL
  gatepost config init --output gatepost.toml    Start a configuration of your own
  gatepost user create-admin --email ada@example.com --password-stdin < password.txt

Exit codes (sysexits.h):
  0   done
  1   refused: the message says why
  2   the command line makes no sense
  65  the data in the database cannot be used, or the audit log is not as it was sealed
  69  the database cannot be reached
  74  the disk or a file failed
  75  locked or busy: try again
  78  the configuration, the schema or a key does not fit

Every setting can stand in gatepost.toml, in the environment (GATEPOST_…) or, the everyday ones, in a flag; a flag wins
over the environment, the environment over the file. `gatepost config init` prints them all.";

/// The front door of an application: accounts, sign-in, sessions.
///
/// Without a command it serves on http://127.0.0.1:8080 and keeps its data in ./data.
#[derive(Parser)]
#[command(name = "gatepost", version = crate::context::VERSION, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) everyday: Everyday,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The settings that are changed most. Each also has an environment variable: `GATEPOST_LISTEN` and so on.
#[derive(Args, Default)]
pub(crate) struct Everyday {
    /// Where to listen: address and port [GATEPOST_LISTEN; default 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// The folder of the SQLite database and the generated keys [GATEPOST_DATA_DIR; default data]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data_dir: Option<String>,
    /// postgres://user@host/database, or sqlite:path [GATEPOST_DATABASE_URL; default a file in the data folder]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// A file that holds the database URL: no password on the command line [GATEPOST_DATABASE_URL_FILE]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "database_url")]
    pub(crate) database_url_file: Option<String>,
    /// The address that clients see, such as https://auth.example.com [GATEPOST_PUBLIC_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// The configuration file [GATEPOST_CONFIG; default gatepost.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the server (the default)
    #[command(after_help = "Example:\n  gatepost serve --listen 127.0.0.1:9000 --data-dir /var/lib/gatepost")]
    Serve,
    /// Look at or change the schema of the database
    Migrate {
        #[command(subcommand)]
        command: Migrate,
    },
    /// Make a new one-time link that creates the first owner, and end the one before
    #[command(after_help = "Example:\n  gatepost setup-link --public-url https://auth.example.com")]
    SetupLink,
    /// Manage accounts, also beside a running server
    User {
        #[command(subcommand)]
        command: User,
    },
    /// Manage signing keys, also beside a running server
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// Look at mails: those that were written to the local mailbox, and those that did not leave
    Mail {
        #[command(subcommand)]
        command: Mail,
    },
    /// Read and verify the audit log, also beside a running server
    Audit {
        #[command(subcommand)]
        command: Audit,
    },
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: Config,
    },
    /// See whether this installation is sound, also beside a running server. It changes nothing
    #[command(
        after_help = "It ends with 0 unless a line says fail.\n\nExample:\n  gatepost doctor || echo see above"
    )]
    Doctor,
    /// Print the OpenAPI document
    Openapi,
    /// Print completions for a shell: gatepost completions bash > /etc/bash_completion.d/gatepost
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
pub(crate) enum Migrate {
    /// List the migrations and whether they are applied
    Status,
    /// Apply every pending migration; a SQLite file is copied to backups/ first
    Up,
    /// Take migrations back. Data in tables that go away is lost
    #[command(after_help = "Example:\n  gatepost migrate down --to 6 --yes")]
    Down {
        /// The number of the last migration to keep; 0 takes everything back
        #[arg(long, value_name = "N")]
        to: u32,
        /// Yes, I have a backup
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum User {
    /// Create an administrator; an administrator with this address is left as it is
    #[command(
        after_help = "Example:\n  gatepost user create-admin --email ada@example.com --password-stdin < password.txt"
    )]
    CreateAdmin {
        /// The address
        #[arg(long)]
        email: String,
        /// The username
        #[arg(long)]
        username: Option<String>,
        /// Read the password from standard input, not from the terminal
        #[arg(long)]
        password_stdin: bool,
    },
    /// List accounts, oldest first
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Create or update accounts from a file of CSV or JSON lines, with password hashes of other systems
    Import(import::Arguments),
    /// Write all accounts as an import reads them
    Export(export::Arguments),
    /// Invite somebody by mail to make an account, whatever sign_up.mode; the link works once, for 72 hours
    #[command(after_help = "Example:\n  gatepost user invite ada@example.com --role admin")]
    Invite {
        /// The address; it must not have an account
        email: String,
        /// What they become besides a user; may be said more than once
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Let somebody in who waits for an administrator (sign_up.mode admin_approval); they get a mail
    #[command(after_help = "Example:\n  gatepost user list\n  gatepost user approve ada@example.com")]
    Approve {
        /// An address, a username or an id
        who: String,
    },
    /// Show an account
    Show {
        /// An address, a username or an id
        who: String,
    },
    /// Switch an account off and end all its sessions; the last administrator stays on
    #[command(after_help = "Example:\n  gatepost user disable ada@example.com")]
    Disable {
        /// An address, a username or an id
        who: String,
    },
    /// Switch an account on again
    Enable {
        /// An address, a username or an id
        who: String,
    },
    /// Show the roles of an account, or give it exactly these; `user` it has in any case
    #[command(
        after_help = "Example:\n  gatepost user roles ada@example.com editor auditor\n  gatepost user roles ada@example.com user"
    )]
    Roles {
        /// An address, a username or an id
        who: String,
        /// All roles that it is to have
        roles: Vec<String>,
    },
    /// Delete an account. Its names are free at once; for seven days it can be restored, then it goes with all that it owns
    #[command(after_help = "Example:\n  gatepost user delete ada@example.com --transfer-to bob@example.com")]
    Delete {
        /// An address, a username or an id
        who: String,
        /// Who owns from now on what it owns: an address, a username or an id
        #[arg(long, value_name = "WHO")]
        transfer_to: Option<String>,
    },
    /// Bring back an account that was deleted within seven days. What it had handed out stays dead
    #[command(after_help = "Example:\n  gatepost user restore ada@example.com")]
    Restore {
        /// The address or username that it had, or its id
        who: String,
    },
    /// List the API keys of an account, newest first, or revoke one
    #[command(
        after_help = "Example:\n  gatepost user api-keys ada --revoke 019aa4f5-7c2e-7b30-9a44-3f1d5c2e8b10"
    )]
    ApiKeys {
        /// An address, a username or an id
        who: String,
        /// Revoke the key with this id
        #[arg(long, value_name = "ID")]
        revoke: Option<String>,
    },
    /// End all sessions of an account, on every device; its owner signs in again
    #[command(after_help = "Example:\n  gatepost user revoke-sessions ada@example.com")]
    RevokeSessions {
        /// An address, a username or an id
        who: String,
    },
    /// Lift the lock-out of an account: unknown devices may try passwords again at once
    #[command(after_help = "Example:\n  gatepost user unlock ada@example.com")]
    Unlock {
        /// An address, a username or an id
        who: String,
    },
    /// Take the second factor of somebody who has lost it, end all their sessions and tell them by mail. Be sure who asks
    #[command(name = "reset-2fa", after_help = "Example:\n  gatepost user reset-2fa ada@example.com")]
    ResetSecondFactor {
        /// An address, a username or an id
        who: String,
    },
    /// Give an account a new password and end all its sessions
    #[command(after_help = "Example:\n  gatepost user set-password ada --password-stdin < password.txt")]
    SetPassword {
        /// An address, a username or an id
        who: String,
        /// Read the password from standard input, not from the terminal
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// List the keys, newest first
    List,
    /// Publish a new key, which signs once verifiers had the time to see it
    #[command(
        after_help = "Example, when the active key must go:\n  gatepost keys rotate --now && gatepost keys revoke KID"
    )]
    Rotate {
        /// Let it sign at once, although others may not know it yet
        #[arg(long)]
        now: bool,
    },
    /// Take a key out of use at once: every token that it signed is refused
    Revoke {
        /// The key id, as `keys list` shows it
        // It is base64url, and one in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum Mail {
    /// List the mails of the local mailbox, newest first
    List,
    /// Show a mail of the local mailbox
    Show {
        /// The id, as `mail list` shows it
        id: String,
    },
    /// Print the link that opens the local mailbox in a browser. It is a secret
    Link,
    /// List the mails that are owed and those that are dead, newest first, and why they did not leave
    Queue,
    /// Owe a dead letter once more, after what was wrong was mended
    #[command(after_help = "Example:\n  gatepost mail queue && gatepost mail retry --all")]
    Retry {
        /// The id, as `mail queue` shows it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Every dead letter
        #[arg(long)]
        all: bool,
    },
    /// Write the built-in templates to a folder, as a beginning for your own
    #[command(after_help = "Example:\n  gatepost mail templates ./mails")]
    Templates {
        /// The folder; none of the files may be there
        #[arg(value_name = "FOLDER")]
        output: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// See whether every entry is as it was sealed, and name those that are not (exit code 65)
    #[command(after_help = "Example:\n  gatepost audit verify --head \"$(cat /mnt/elsewhere/audit.head)\"")]
    Verify {
        /// A head that was kept elsewhere, as `gatepost audit head` printed it
        #[arg(long, value_name = "SEQ:MAC")]
        head: Option<Head>,
    },
    /// Print the end of the chain, to keep it where nobody who can change the database can change it
    Head,
    /// List entries, newest first
    #[command(
        after_help = "Example:\n  gatepost audit list --action signed_in --from 2026-11-01T00:00:00Z --json"
    )]
    List {
        /// About this account: an address, a username or an id
        #[arg(long, value_name = "WHO")]
        user: Option<String>,
        /// What happened, such as signed_in
        #[arg(long)]
        action: Option<String>,
        /// Not before this time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        from: Option<Timestamp>,
        /// Before this time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        to: Option<Timestamp>,
        /// At most so many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum Config {
    /// Print a commented file with every setting at its default
    Init {
        /// Write it to this file, which must not exist
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Say everything that is wrong with the configuration
    Check,
    /// Show every setting and where its value comes from. Secrets are never shown
    Show {
        /// Accepted for clarity: secrets are never shown
        #[arg(long)]
        redacted: bool,
    },
}
