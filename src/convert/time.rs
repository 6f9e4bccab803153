//! Times as the peers write them → times as tlsgate reads them. Must not know: what a time is for.

/// A time of HAProxy: a number of milliseconds, or with `us`, `ms`, `s`, `m`, `h`, `d`.
pub(super) fn haproxy(text: &str) -> Option<String> {
    one(text, "ms")
}

/// A time of nginx: seconds, or several numbers with units (`1h30m`).
pub(super) fn nginx(text: &str) -> Option<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        parts.push(one(rest[..unit].trim(), "s")?);
        rest = rest[unit..].trim_start();
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// A number of seconds.
pub(super) fn seconds(text: &str) -> Option<String> {
    text.parse::<u64>().ok().and_then(|_| one(text, "s"))
}

/// One number with its unit. Zero, and what is longer than ten years, is nothing that tlsgate could take.
fn one(text: &str, without: &'static str) -> Option<String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let (unit, length) = match &text[digits..] {
        "" => (without, if without == "s" { 1_000 } else { 1 }),
        "ms" => ("ms", 1),
        "s" => ("s", 1_000),
        "m" => ("m", 60_000),
        "h" => ("h", 3_600_000),
        "d" => ("d", 86_400_000),
        "w" => ("w", 604_800_000),
        _ => return None,
    };
    let length = number.checked_mul(length)?;
    (1..=LONGEST).contains(&length).then(|| format!("{number}{unit}"))
}

/// The milliseconds of what the functions above return, to compare them.
pub(super) fn length(text: &str) -> u64 {
    let part = |part: &str| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let unit = match &part[digits..] {
            "ms" => 1,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => 1_000,
        };
        part[..digits].parse::<u64>().unwrap_or(0).saturating_mul(unit)
    };
    text.split(' ').map(part).fold(0, u64::saturating_add)
}

/// Ten years: tlsgate's own bound.
const LONGEST: u64 = 315_360_000_000;
