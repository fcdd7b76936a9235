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
