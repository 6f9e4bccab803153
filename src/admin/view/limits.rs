//! What the process may have and what it has → JSON. Must not know: HTTP, what happens where something is short.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::config::values::bounds::shown;
use crate::pressure::bound::Setting;
use crate::pressure::{self, Pressure};

/// Memory, descriptors and connections; `setting` is `[limits] memory`.
pub(in crate::admin) fn limits(setting: Setting, pressure: &Pressure) -> Value {
    let bound = pressure.bound();
    json!({
        "memory": {
            "setting": shown(setting),
            "bound_bytes": bound.as_ref().map(|bound| bound.bytes),
            "source": bound.as_ref().map(|bound| bound.source.to_string()),
            "used_bytes": pressure.used(),
            "level": pressure.level().word(),
            "stalled": pressure.stalled.count(),
        },
        "descriptors": {
            "limit": pressure.descriptors.load(Ordering::Relaxed),
            "used": pressure::open_files(),
            "reserve": pressure.reserve.load(Ordering::Relaxed),
        },
        "connections": {
            "active": pressure.room.taken(),
            "limit": pressure.room.most(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pressure::bound::{Bound, Source};

    #[test]
    fn the_bound_is_shown_with_its_source_and_without_one_there_is_none() {
        let pressure = Pressure::default();
        pressure.room.set(7);
        let shown = limits(Setting::Off, &pressure);
        assert_eq!((&shown["memory"]["bound_bytes"], &shown["memory"]["setting"]), (&Value::Null, &json!("off")));
        pressure.set_bound(Some(Bound { bytes: 1000, source: Source::Machine }));
        pressure.measured(900);
        let shown = limits(Setting::Auto, &pressure);
        let expected = json!({
            "setting": "auto",
            "bound_bytes": 1000,
            "source": "the machine's memory",
            "used_bytes": 900,
            "level": "short",
            "stalled": 0,
        });
        assert_eq!(shown["memory"], expected);
        assert_eq!(shown["connections"], json!({ "active": 0, "limit": 7 }));
    }
}
