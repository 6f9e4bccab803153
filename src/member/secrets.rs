//! The file with the fleet's secrets → what seals and opens. Must not know: what is sealed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::located::{ConfigError, Located};
use crate::files;
use crate::fleet::part::Parts;
use crate::fleet::seal::{Seal, SealError};
use crate::fleet::secret::{self, Secret};

/// The fleet's secrets. Cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    /// For records.
    pub seal: Arc<Seal>,
    /// For the parts of releases.
    pub parts: Arc<Parts>,
    /// What each secret alone names parts with, the first one first: a release that was published before a change has the
    /// names of that time.
    pub each: Arc<[Parts]>,
    /// Whether all users may read the file.
    pub exposed: bool,
    all: Arc<[Secret]>,
}

/// Reads the file, for the fleet with this prefix.
pub fn read(file: &Located<PathBuf>, prefix: &str) -> Result<Secrets, ConfigError> {
    let path = file.value.display();
    let contents = files::read_secret(&file.value);
    let contents = contents.map_err(|error| file.error(format!("{path}: {}", files::reason(&error))))?;
    let all = secret::parse(&contents.text).map_err(|error| file.error(format!("{path}: {error}")))?;
    let secrets = Secrets::of(&all, prefix).map_err(|error| file.error(format!("{path}: {error}")))?;
    Ok(Secrets { exposed: contents.exposed, ..secrets })
}

impl Secrets {
    /// The first one seals, each of them opens.
    pub fn of(all: &[Secret], prefix: &str) -> Result<Self, SealError> {
        let own = all.iter().map(|secret| secret::of_fleet(secret, prefix));
        let all = own.collect::<Option<Vec<_>>>().ok_or(SealError::Provider)?;
        let bytes: Vec<&[u8]> = all.iter().map(|secret| secret.as_slice()).collect();
        let each = bytes.iter().map(|secret| Parts::new(&[secret])).collect::<Result<Vec<_>, _>>()?;
        let (seal, parts) = (Seal::new(&bytes)?, Parts::new(&bytes)?);
        Ok(Self { seal: Arc::new(seal), parts: Arc::new(parts), each: each.into(), exposed: false, all: all.into() })
    }
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}
