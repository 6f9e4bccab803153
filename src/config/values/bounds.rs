//! How limits of the whole process are written: amounts of memory. Must not know: which key holds which.

use toml::de::DeValue;

use crate::config::decode::Value;
use crate::pressure::bound::Setting;

impl Value for Setting {
    const EXPECTED: &'static str = "\"auto\", \"off\" or a size of at least 16 MiB, such as \"512MiB\" or \"2GiB\"";

    fn read(value: &DeValue<'_>) -> Option<Self> {
        match value.as_str()? {
            "auto" => Some(Self::Auto),
            "off" => Some(Self::Off),
            size => bytes(size).filter(|bytes| *bytes >= LEAST).map(Self::Bytes),
        }
    }
}

/// A setting as it is written.
pub fn shown(setting: Setting) -> String {
    match setting {
        Setting::Auto => "auto".into(),
        Setting::Off => "off".into(),
        // Every size that can be written is a multiple of the smallest unit.
        Setting::Bytes(bytes) => {
            let (unit, size) = UNITS.into_iter().rev().find(|(_, size)| bytes % size == 0).unwrap_or(UNITS[0]);
            format!("{}{unit}", bytes / size)
        }
    }
}

fn bytes(text: &str) -> Option<usize> {
    let (unit, size) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let count = text.strip_suffix(unit)?.trim_end();
    // Rust's `parse` would accept a plus sign.
    let digits = count.bytes().all(|byte| byte.is_ascii_digit());
    count.parse::<usize>().ok().filter(|_| digits)?.checked_mul(size)
}

const UNITS: [(&str, usize); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// With less, the process itself would have used it up when it has started.
const LEAST: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Setting> {
        Setting::read(&DeValue::String(text.into()))
    }

    #[test]
    fn sizes_have_units_and_lead_back() {
        for (text, setting) in [
            ("auto", Setting::Auto),
            ("off", Setting::Off),
            ("16MiB", Setting::Bytes(16 << 20)),
            ("512MiB", Setting::Bytes(512 << 20)),
            ("2GiB", Setting::Bytes(2 << 30)),
            ("20000KiB", Setting::Bytes(20_000 << 10)),
        ] {
            assert_eq!(read(text), Some(setting), "{text}");
            assert_eq!(shown(setting), text);
        }
        assert_eq!(read("1024 MiB"), Some(Setting::Bytes(1 << 30)));
        assert_eq!(shown(Setting::Bytes(1 << 30)), "1GiB");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "512", "512MB", "512M", "MiB", "-1MiB", "+512MiB", "0.5GiB", "15MiB", "99999999999999999GiB", "Auto"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(Setting::read(&DeValue::Boolean(true)), None);
    }
}
