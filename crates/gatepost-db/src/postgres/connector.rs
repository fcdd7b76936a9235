//! How a connection is made: time limits, TLS, and which servers are refused.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepost_kernel::Secret;
use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::Connection;
use super::{engine, failed};
use crate::DbError;

/// How long an address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a host may take until its session is ready: a server under load starts a process for it first.
const SESSION_TIMEOUT: Duration = Duration::from_secs(5);
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
            // A server that vanished without a word is noticed after about 11 seconds.
            .keepalives_idle(Duration::from_secs(5))
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(3)
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
        // "prefer" is what the URL means when it says nothing, and it falls back to plain text when an attacker in
        // the middle says "no TLS". Beyond this machine that is not good enough; within it nobody is in the middle,
        // and the certificate that a package made for "localhost" would not verify.
        if config.get_ssl_mode() == SslMode::Prefer {
            config.ssl_mode(if is_remote(&config) { SslMode::Require } else { SslMode::Disable });
        }
        let tls = if config.get_ssl_mode() == SslMode::Disable { None } else { Some(tls()?) };
        Ok(Self { config: Arc::new(config), tls })
    }

    /// Connects, and refuses a server that acknowledges what it may lose.
    pub(super) fn connect(&self, runtime: &Runtime) -> Result<Connection, DbError> {
        // The library limits only the TCP connect. A server that accepts and then says nothing must not hold a
        // worker either.
        let hosts = self.config.get_hosts().len().max(1);
        let limit = SESSION_TIMEOUT.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX));
        runtime.block_on(async {
            tokio::time::timeout(limit, self.handshake()).await.unwrap_or_else(|_| {
                let silence = std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("the server did not answer within {} seconds", limit.as_secs()),
                );
                Err(DbError::Unavailable(Arc::new(silence)))
            })
        })
    }

    async fn handshake(&self) -> Result<Connection, DbError> {
        let unavailable = |error: tokio_postgres::Error| DbError::Unavailable(Arc::new(error));
        let (client, driver) = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await.map_err(unavailable)?;
                (client, tokio::spawn(connection))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await.map_err(unavailable)?;
                (client, tokio::spawn(connection))
            }
        };
        let durable: String = client
            .query_one("SHOW synchronous_commit", &[])
            .await
            .and_then(|row| row.try_get(0))
            .map_err(engine("read synchronous_commit"))?;
        if durable == "off" {
            let why =
                "synchronous_commit is off: PostgreSQL would confirm writes that it may lose; set it to on";
            return Err(failed("use this PostgreSQL server")(why));
        }
        Ok(Connection::new(client, driver))
    }
}

/// Whether any of the hosts is another machine. A `hostaddr` is where the connection goes, whatever `host` says.
fn is_remote(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().any(|address| !address.is_loopback());
    }
    config.get_hosts().iter().any(|host| match host {
        Host::Tcp(name) => {
            name != "localhost" && !name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => false,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(url: &str) -> Connector {
        Connector::new(&Secret::new(url.to_owned()), Duration::from_secs(5)).unwrap()
    }

    fn is_encrypted(url: &str) -> bool {
        let connector = connector(url);
        let mode = connector.config.get_ssl_mode();
        assert_ne!(mode, SslMode::Prefer, "lets an attacker choose");
        mode == SslMode::Require && connector.tls.is_some()
    }

    #[test]
    fn beyond_this_machine_the_connection_is_encrypted_unless_the_url_refuses_that() {
        for remote in [
            "postgres://u@db.example/app",
            "postgres://u@10.0.0.7/app",
            "postgres://u@db.example/app?sslmode=prefer",
            "postgres://u@localhost,db.example/app",
            "postgres://u@localhost.example/app",
            "postgres://u@localhost/app?hostaddr=10.0.0.7",
            "postgres://u@localhost/app?sslmode=require",
        ] {
            assert!(is_encrypted(remote), "{remote}");
        }
        for plain in [
            "postgres://u@localhost/app",
            "postgres://u@127.0.0.1/app",
            "postgres://u@[::1]/app",
            "postgres://u@%2Frun%2Fpostgresql/app",
            "postgres://u@db.example/app?sslmode=disable",
        ] {
            assert!(!is_encrypted(plain), "{plain}");
        }
    }

    #[test]
    fn limits_are_set_and_the_url_may_change_them() {
        let config = connector("postgres://u@localhost/app?options=-c%20lock_timeout%3D7").config;
        let options = config.get_options().unwrap();
        assert!(options.starts_with("-c statement_timeout=5000 -c lock_timeout=2000"), "{options}");
        assert!(options.ends_with("-c lock_timeout=7"), "{options}");
        assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn a_url_that_cannot_be_read_is_refused_without_showing_its_password() {
        let url = Secret::new("postgres://u:hunter2@localhost/app?sslmode=perhaps".to_owned());
        let error = Connector::new(&url, Duration::from_secs(5)).err().unwrap();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
