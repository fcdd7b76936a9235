//! Where the server listens, what it is called, and where it keeps its data.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::problem::{Complaint, quote};
use super::public_url::PublicUrl;
use super::reader::Reader;
use super::setting::Setting;

/// Where the server listens, what it is called, and where it keeps its data.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address of the listener. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder of the database, the master key and everything else that must survive a restart.
    pub data_dir: PathBuf,
    /// The URL under which people reach the server. Always set when `listen` is not a loopback address.
    pub public_url: Option<PublicUrl>,
    /// The proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl ServerConfig {
    /// The issuer of tokens (RFC 8414, section 2), without a slash at the end: the public URL, or the loopback
    /// address with the port that the listener got.
    pub fn issuer(&self, port: u16) -> String {
        match &self.public_url {
            Some(url) => url.as_str().to_owned(),
            None => format!("http://{}", SocketAddr::new(self.listen.ip(), port)),
        }
    }
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new("listen", "'127.0.0.1:8080'", "The address and port to listen on. Port 0 takes a free one."),
    Setting::new(
        "data_dir",
        "'data'",
        "The folder of the SQLite database and the generated keys. Back it up, and let nobody else read it.",
    ),
    Setting::unset(
        "public_url",
        "'https://auth.example.com'",
        "The URL under which people reach the server, without a path. It names the issuer of tokens and the only \
         host that is answered. Needed as soon as `listen` is not a loopback address.",
    ),
    Setting::new(
        "trusted_proxies",
        "[]",
        "The networks of the reverse proxies in front of the server. Only from them is a forwarded client address \
         believed.",
    ),
];

pub(crate) fn read(reader: &mut Reader<'_>) -> ServerConfig {
    let config = ServerConfig {
        listen: reader.socket_addr("listen").unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
        data_dir: reader.path("data_dir"),
        public_url: reader.parsed("public_url", PublicUrl::parse),
        trusted_proxies: reader.list("trusted_proxies", network),
    };
    let is_open = !config.listen.ip().to_canonical().is_loopback();
    if is_open && config.public_url.is_none() && reader.are_sound(&["listen", "public_url"]) {
        // Without it, a Host header from outside would end up in tokens and links.
        let complaint = Complaint::new(format!(
            "{} is reachable from other machines, so `public_url` must be set",
            config.listen
        ));
        reader.refuse(
            "listen",
            complaint.hint("add this line with your own name: public_url = \"https://auth.example.com\""),
        );
    }
    config
}

/// A network in CIDR notation, or one address.
fn network(text: &str) -> Result<IpNet, Complaint> {
    let network =
        text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
            Complaint::new(format!("{} is not a network", quote(text)))
                .hint("write it as \"10.0.0.0/8\" or \"192.0.2.1\"")
        })?;
    if network.prefix_len() == 0 {
        return Err(Complaint::new(format!("{network} is everybody, so anybody could claim any address"))
            .hint("name the addresses of your proxies"));
    }
    Ok(network.trunc())
}
