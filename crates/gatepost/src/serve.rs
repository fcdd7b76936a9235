//! `gatepost serve`.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use gatepost_db::{Db, DirectoryLock, migrate};
use gatepost_kernel::Clock;
use gatepost_server::config::{Config, DatabaseLocation, PublicUrl};
use gatepost_server::http::health::{self, HealthParts, MetricsAccess, MetricsSettings, Readiness};
use gatepost_server::http::{
    self, CorsPolicy, Draining, ForwardedHeader, HostPolicy, HttpParts, ServeOptions, TrustedProxies,
};
use gatepost_server::outbox::{Courier, MailboxKey};
use gatepost_server::{App, jobs};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::context::{SETS, VERSION, ingredients, make_data_dir, open};
use crate::failure::{CONFIGURATION, Failure, IO, TRY_AGAIN};
use crate::{doctor, logging, owner};

pub(crate) async fn run(config: Config) -> Result<(), Failure> {
    logging::install(&config.log)?;
    open_more_files();
    let data_dir = make_data_dir(&config)?.to_owned();
    let _lock = DirectoryLock::acquire(&data_dir)?;
    let recorder = health::metrics_recorder();
    let metrics = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(Failure::internal)?;

    // Taking the port first means that a server that cannot serve leaves the database alone.
    let listener = listen(config.server.listen).await?;
    let address =
        listener.local_addr().map_err(|error| Failure::io("read the address of the listener", &error))?;
    let db = open(&config).await?;
    for migration in migrate::up(&db, SETS, &Clock::system(), Some(&data_dir)).await? {
        tracing::info!(number = migration.number, name = migration.name, "applied a migration");
    }
    let issuer = config.server.issuer(address.port());
    let app = App::start(ingredients(config, issuer, db.clone()).await?).await?;

    let courier = Courier::new(&app)?;

    let draining = Draining::default();
    let own_listener = match app.config.metrics.listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let router = router(&app, &draining, &metrics, own_listener.is_some())?;
    announce(&app, address);
    remind(&app).await?;
    owner::offer(&app, &data_dir).await?;

    let mut limits = app.config.http.limits();
    if is_private(&app.config) {
        // No load balancer stands in front that would have to notice first.
        limits.drain_delay = Duration::ZERO;
    }
    let options =
        ServeOptions { limits, trusted_proxies: trusted_proxies(&app.config), draining: draining.clone() };
    let upkeep = tokio::spawn({
        let (app, metrics) = (app.clone(), metrics.clone());
        async move { tokio::join!(jobs::run(app, courier), health::keep_metrics_small(metrics)) }
    });
    if let Some(own) = own_listener {
        let routes = health::metrics_routes(metrics);
        // Elsewhere scrapers call this machine by names that nobody told us.
        let routes = if own.local_addr().is_ok_and(|address| address.ip().is_loopback()) {
            http::finish(routes, HttpParts::new(app.clock.clone(), app.random.clone()))
        } else {
            routes
        };
        // It ends with the process: a scrape that is cut off is repeated.
        tokio::spawn(http::serve(own, routes, ServeOptions::default(), std::future::pending()));
    }
    let mut stop = StopSignals::new()?;
    let (told, shutdown) = tokio::sync::oneshot::channel::<()>();
    let server = http::serve(listener, router, options, async move { drop(shutdown.await) });
    tokio::pin!(server);
    let outcome = tokio::select! {
        outcome = &mut server => outcome,
        () = stop.next() => {
            tracing::info!("told to stop: finishing what has begun");
            drop(told);
            tokio::select! {
                outcome = &mut server => outcome,
                () = stop.next() => {
                    tracing::warn!("told again: stopping at once");
                    return Ok(());
                }
            }
        }
    };
    upkeep.abort();
    db.close().await;
    tracing::info!(aborted = outcome.aborted, "stopped");
    Ok(())
}

/// Lets this process open as many files as the system allows it. Each connection is one, and the usual limit of 1,024 is
/// for programs that cannot count further.
fn open_more_files() {
    let allowed = getrlimit(Resource::Nofile);
    // Where this fails, the server takes fewer connections and says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed });
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::AddrInUse { TRY_AGAIN } else { IO };
        Failure::new(code, format!("cannot listen on {address}: {error}"))
            .hint("is another server running there? --listen takes another address and port")
    })
}

fn router(
    app: &App,
    draining: &Draining,
    metrics: &health::PrometheusHandle,
    own_listener: bool,
) -> Result<axum::Router, Failure> {
    let config = &app.config;
    let public = config.server.public_url.as_ref();
    let db: Db = app.db.clone();
    let settings =
        MetricsSettings { token: config.metrics.token.clone(), own_listener, private: is_private(config) };
    let health = HealthParts {
        draining: draining.clone(),
        readiness: Readiness::new(move || {
            let db = db.clone();
            async move { vec![health::Check { name: "database", ok: db.ping().await.is_ok() }] }
        }),
        version: VERSION,
        metrics: MetricsAccess::on_main_listener(metrics.clone(), &settings),
    };
    let refused = |why: String| Failure::new(CONFIGURATION, why);
    let parts = HttpParts {
        limits: config.http.limits(),
        host: match public {
            Some(url) => {
                HostPolicy::from_public_url(url.url()).map_err(|error| refused(error.to_string()))?
            }
            None => HostPolicy::Loopback,
        },
        trusted_proxies: trusted_proxies(config),
        cors: CorsPolicy::new(config.cors.allowed_origins.iter().map(String::as_str))
            .map_err(|error| refused(error.to_string()))?,
        https: public.is_some_and(PublicUrl::is_https),
        ..HttpParts::new(app.clock.clone(), app.random.clone())
    };
    Ok(http::finish(http::router(app.clone()).merge(health::routes(health)), parts))
}

/// Whether only this machine can reach the server, and no proxy carries the world to it.
fn is_private(config: &Config) -> bool {
    let server = &config.server;
    server.listen.ip().is_loopback() && server.public_url.is_none() && server.trusted_proxies.is_empty()
}

fn trusted_proxies(config: &Config) -> TrustedProxies {
    TrustedProxies::new(config.server.trusted_proxies.iter().copied(), ForwardedHeader::default())
}

/// Says where the server is and what it stands on.
fn announce(app: &App, address: SocketAddr) {
    let config = &app.config;
    let database = match &config.database.location {
        DatabaseLocation::Sqlite(path) => format!("SQLite, {}", path.display()),
        DatabaseLocation::Postgres { exposed, .. } => {
            if *exposed {
                tracing::warn!(
                    "the database password is on the command line, where every user of this machine can read it: \
                     prefer GATEPOST_DATABASE_URL or the setting database_url_file"
                );
            }
            "PostgreSQL".to_owned()
        }
    };
    tracing::info!(%address, url = app.issuer, database, version = VERSION, "ready");
    let mailbox = MailboxKey::link(app);
    if mailbox.is_some() {
        // The link itself is a secret, and a log is read by others.
        tracing::info!(
            "mails stay in the local mailbox; `gatepost mail link` prints the link that opens it in a browser"
        );
    }
    if std::io::stderr().is_terminal() {
        let mut lines = format!("\n  Gatepost {VERSION}\n  listening  {}\n", app.issuer);
        if config.docs.enabled {
            lines.push_str(&format!("  try it     {}/docs/\n", app.issuer));
        }
        if let Some(link) = mailbox {
            lines.push_str(&format!("  mails      {link}\n"));
        }
        lines.push_str(&format!("  data       {}\n", config.server.data_dir.display()));
        lines.push_str(&format!("  database   {database}\n\n"));
        drop(std::io::stderr().write_all(lines.as_bytes()));
    }
}

/// Reminds of administrators whom a password alone lets in.
async fn remind(app: &App) -> Result<(), Failure> {
    if let Some(administrators) = doctor::administrators_without_second_factor(&app.db, &app.config).await? {
        tracing::warn!(
            administrators,
            "administrators without a second factor: set second_factor.required_for = [\"admin\"], so that the role counts \
             only where one was shown"
        );
    }
    Ok(())
}

/// The signals that ask a server to stop.
struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    fn new() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(|error| Failure::io("listen for signals", &error));
        Ok(Self { terminate: of(SignalKind::terminate())?, interrupt: of(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
