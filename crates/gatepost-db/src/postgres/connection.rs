//! One connection: how it is made, and its prepared statements.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gatepost_kernel::Secret;
use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Encoded, engine, failed};
use crate::tx::{Dialect, Executor};
use crate::value::EngineRow;
use crate::{DbError, Param, Row, Statement};

/// How long a new connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest wait for another transaction's lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Everything that is needed to connect.
#[derive(Clone)]
pub(super) struct Connector {
    config: Arc<Config>,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    pub(super) fn new(url: &Secret<String>, statement_timeout: Duration) -> Result<Self, DbError> {
        let mut config: Config = url
            .expose()
            .parse()
            .map_err(failed("read the database URL (postgres://user:password@host/database)"))?;
        config
            .application_name("gatepost")
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(Duration::from_secs(5))
            .tcp_user_timeout(Duration::from_secs(10))
            // A standby would serve stale truth, and refuse writes.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        // What the URL sets itself comes last and wins.
        let own = config.get_options().unwrap_or_default().to_owned();
        config.options(format!(
            "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout=10000 -c jit=off {own}",
            statement_timeout.as_millis(),
            LOCK_TIMEOUT.as_millis(),
        ));
        let remote = config.get_hosts().iter().any(|host| match host {
            Host::Tcp(name) => !matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
            Host::Unix(_) => false,
        });
        // "prefer" is what the URL means when it says nothing, and it falls back to plain text when an attacker in
        // the middle says "no TLS". Beyond this machine that is not good enough.
        if remote && config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(SslMode::Require);
        }
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            SslMode::Prefer | SslMode::Require => Some(tls()?),
            _ => Some(tls()?),
        };
        Ok(Self { config: Arc::new(config), tls })
    }

    /// Connects, and refuses a server that acknowledges what it may lose.
    pub(super) fn connect(&self, runtime: &Runtime) -> Result<Connection, DbError> {
        let client = runtime.block_on(async {
            match &self.tls {
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
                    tokio::spawn(connection);
                    Ok(client)
                }
                None => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    tokio::spawn(connection);
                    Ok(client)
                }
            }
        });
        let client: Client =
            client.map_err(|error: tokio_postgres::Error| DbError::Unavailable(Arc::new(error)))?;
        let durable = runtime
            .block_on(client.query_one("SHOW synchronous_commit", &[]))
            .and_then(|row| row.try_get::<_, String>(0))
            .map_err(engine("read synchronous_commit"))?;
        if durable == "off" {
            let why =
                "synchronous_commit is off: PostgreSQL would confirm writes that it may lose; set it to on";
            return Err(failed("use this PostgreSQL server")(why));
        }
        Ok(Connection { client, statements: HashMap::new() })
    }
}

/// Certificates are verified against the operating system's trust store, host names included ("verify-full").
fn tls() -> Result<MakeRustlsConnect, DbError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(failed("set up TLS"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// A connection and what it has prepared.
pub(super) struct Connection {
    client: Client,
    /// By the address of the [`Statement`], which is a static.
    statements: HashMap<usize, tokio_postgres::Statement>,
}

impl Connection {
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs transaction control.
    pub(super) async fn control(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    /// Forgets what was prepared: a migration may have changed the tables under it.
    pub(super) fn forget_statements(&mut self) {
        self.statements.clear();
    }

    async fn prepared(
        &mut self,
        statement: &'static Statement,
    ) -> Result<tokio_postgres::Statement, DbError> {
        let key = std::ptr::from_ref(statement).addr();
        if let Some(prepared) = self.statements.get(&key) {
            return Ok(prepared.clone());
        }
        let prepared =
            self.client.prepare(statement.postgres()).await.map_err(engine("prepare a statement"))?;
        self.statements.insert(key, prepared.clone());
        Ok(prepared)
    }
}

/// A connection and the runtime that drives it, as a transaction sees them.
pub(super) struct Driven<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) connection: &'a mut Connection,
}

impl Executor for Driven<'_> {
    fn run(
        &mut self,
        statement: &'static Statement,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), DbError>,
    ) -> Result<u64, DbError> {
        let params: Vec<Encoded<'_>> = params.iter().map(Encoded).collect();
        self.runtime.block_on(async {
            let prepared = self.connection.prepared(statement).await?;
            let params: Vec<_> =
                params.iter().map(|param| param as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
            if prepared.columns().is_empty() {
                return self
                    .connection
                    .client
                    .execute(&prepared, &params)
                    .await
                    .map_err(engine("run a statement"));
            }
            let rows =
                self.connection.client.query(&prepared, &params).await.map_err(engine("run a statement"))?;
            for row in &rows {
                each(&Row { statement: statement.name(), inner: EngineRow::Postgres(row) })?;
            }
            Ok(rows.len() as u64)
        })
    }

    fn prepare(&mut self, statement: &'static Statement) -> Result<(), DbError> {
        self.runtime.block_on(self.connection.prepared(statement)).map(drop)
    }

    fn script(&mut self, sql: &str) -> Result<(), DbError> {
        self.runtime.block_on(self.connection.control(sql)).map_err(engine("run a script"))
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }
}
