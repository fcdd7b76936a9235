//! Where an address is, from a file that the operator supplies (MaxMind DB format: GeoLite2, GeoIP2 or DB-IP, by city
//! or by country). Without one, nobody's location is known or asked for.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxminddb::{MaxMindDbError, Reader, geoip2};

/// The longest name that is kept.
const LONGEST: usize = 100;

/// Why a file of places cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("sessions.geoip_file: {} is no file in the MaxMind DB format that can be read", .file.display())]
pub struct PlacesError {
    file: PathBuf,
    source: MaxMindDbError,
}

/// A file of places, in memory. Cloning shares it.
#[derive(Clone)]
pub struct Places(Arc<Reader<Vec<u8>>>);

impl Places {
    /// Reads a file.
    ///
    /// # Errors
    /// [`PlacesError`]: the file cannot be read, or is not in the format.
    pub fn open(file: &Path) -> Result<Self, PlacesError> {
        match Reader::open_readfile(file) {
            Ok(reader) => Ok(Self(Arc::new(reader))),
            Err(source) => Err(PlacesError { file: file.to_owned(), source }),
        }
    }

    /// The city and country of an address, in English; whichever of the two is known.
    pub fn name(&self, address: IpAddr) -> Option<String> {
        // A record that cannot be read names no place: nobody is kept out for that.
        let place = self.0.lookup(address).ok()?.decode::<geoip2::City<'_>>().ok()??;
        let known = [place.city.names.english, place.country.names.english];
        let name = known.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let name: String = name.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
        (!name.is_empty()).then_some(name)
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Places").field(&self.0.metadata().database_type).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&[(2 << 5) | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    }

    fn map_of(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![(7 << 5) | u8::try_from(members.len()).unwrap()];
        members.iter().for_each(|(name, value)| bytes.extend([text(name), value.clone()].concat()));
        bytes
    }

    fn number(value: u16) -> Vec<u8> {
        [&[(5 << 5) | 2], value.to_be_bytes().as_slice()].concat()
    }

    /// A file in the format (version 2.0) that knows one network, 203.0.113.0/24: a search tree with a node for each
    /// bit, sixteen zeros, the record, and the metadata behind their marker.
    fn file() -> Vec<u8> {
        const NODES: u32 = 24;
        let mut bytes = Vec::new();
        for bit in 0..NODES {
            let onward = if bit + 1 == NODES { NODES + 16 } else { bit + 1 };
            let is_set = (0xCB_00_71_u32 >> (NODES - 1 - bit)) & 1 == 1;
            let records = if is_set { [NODES, onward] } else { [onward, NODES] };
            records.iter().for_each(|record| bytes.extend(&record.to_be_bytes()[1..]));
        }
        bytes.extend([0; 16]);
        let named = |name: &str| map_of(&[("names", map_of(&[("en", text(name))]))]);
        bytes.extend(map_of(&[("city", named("Berlin")), ("country", named("Germany"))]));
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        bytes.extend(map_of(&[
            ("binary_format_major_version", number(2)),
            ("binary_format_minor_version", number(0)),
            ("build_epoch", vec![1, 2, 1]),
            ("database_type", text("Test-City")),
            ("description", map_of(&[("en", text("one network"))])),
            ("ip_version", number(4)),
            ("languages", [vec![1, 4], text("en")].concat()),
            ("node_count", vec![(6 << 5) | 1, 24]),
            ("record_size", number(24)),
        ]));
        bytes
    }

    #[test]
    fn an_address_has_a_place_only_if_the_file_knows_its_network() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.mmdb");
        assert!(
            file() == include_bytes!("tests/one-network.mmdb"),
            "the file that other tests use is another one"
        );
        std::fs::write(&path, file()).unwrap();
        let places = Places::open(&path).unwrap();
        let name = |address: &str| places.name(address.parse().unwrap());
        assert_eq!(name("203.0.113.77").as_deref(), Some("Berlin, Germany"));
        assert_eq!(name("203.0.114.1"), None);
        assert_eq!(name("2001:db8::1"), None);
        // What is no such file is said at the start.
        std::fs::write(&path, "not a database").unwrap();
        assert!(Places::open(&path).unwrap_err().to_string().contains("city.mmdb"));
        assert!(Places::open(&folder.path().join("missing")).is_err());
    }
}
