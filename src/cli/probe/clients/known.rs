//! The clients to ask for: those that `explain` knows, or hellos in files. Must not know: the server.

use std::path::{Path, PathBuf};

use crate::explain::ask::Ask;
use crate::explain::clients;
use crate::files;
use crate::tls::wire::draft::Draft;
use crate::tls::wire::hello;

/// A client, and its ClientHello.
pub(in crate::cli::probe) struct Known {
    pub(in crate::cli::probe) name: String,
    pub(in crate::cli::probe) source: String,
    pub(in crate::cli::probe) draft: Draft,
}

/// All clients that `explain` knows, with this server name.
pub(in crate::cli::probe) fn all(name: Option<&str>) -> Result<Vec<Known>, String> {
    let one = |client: &clients::Client| {
        let ask = Ask { client: Some(client.name.to_owned()), sni: name.map(str::to_owned), ..Ask::default() };
        known(client.name.to_owned(), client.source.to_owned(), &ask)
    };
    clients::ALL.iter().map(one).collect()
}

/// The clients whose hellos are in these files. Without a server name they keep their own.
pub(in crate::cli::probe) fn in_files(paths: &[PathBuf], name: Option<&str>) -> Result<Vec<Known>, String> {
    let one = |path: &PathBuf| {
        let shown = path.display();
        // Hex digits, perhaps with separators, take more than twice the size.
        let read = files::read(path, 4 * hello::MAX_BYTES as u64)
            .map_err(|error| format!("{shown}: {}", files::reason(&error)))?;
        let ask = Ask { hello: Some(read.bytes.to_vec()), sni: name.map(str::to_owned), ..Ask::default() };
        known(stem(path), shown.to_string(), &ask).map_err(|error| format!("{shown}: {error}"))
    };
    paths.iter().map(one).collect()
}

fn known(name: String, source: String, ask: &Ask) -> Result<Known, String> {
    let raw = ask.client_hello().map_err(|error| error.to_string())?;
    let draft = Draft::parse(&raw).ok_or("the ClientHello is cut short or malformed")?;
    Ok(Known { name, source, draft })
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}
