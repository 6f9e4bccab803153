//! What a process may use after its start: whom it becomes. Must not know: how connections are served.

use crate::config::located::ConfigError;
use crate::config::validate::process::Process;
use crate::rights::ids::{Ids, Unknown};

/// The user that the process becomes; `None` where none is named. The error names the key.
pub fn user(process: &Process) -> Result<Option<Ids>, ConfigError> {
    let Some(user) = &process.user else { return Ok(None) };
    let group = process.group.as_ref();
    Ids::find(&user.value, group.map(|group| group.value.as_str())).map(Some).map_err(|unknown| {
        match (&unknown, group) {
            (Unknown::Group(_), Some(group)) => group.error(unknown.to_string()),
            _ => user.error(unknown.to_string()),
        }
    })
}
