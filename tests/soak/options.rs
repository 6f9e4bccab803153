//! Whether this run of `cargo test` includes the soak, and how long it takes. Must not know: what it does.

use std::time::Duration;

/// Cargo passes the same arguments to each test binary, so the soak follows those of the standard harness that decide
/// which tests run.
pub(crate) fn is_wanted(arguments: &[String]) -> bool {
    let (mut filters, mut skipped) = (Vec::new(), Vec::new());
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "--list" | "--ignored" => return false,
            "--skip" => skipped.extend(rest.next()),
            "--test-threads" | "--format" | "--color" | "--logfile" | "--shuffle-seed" | "-Z" => drop(rest.next()),
            option if option.starts_with('-') => {}
            filter => filters.push(filter),
        }
    }
    let is_meant = |filter: &&str| NAME.contains(*filter);
    (filters.is_empty() || filters.iter().any(is_meant)) && !skipped.iter().any(is_meant)
}

/// The value of `TLSGATE_SOAK`, such as `60m`.
pub(crate) fn duration(given: Option<&str>) -> Result<Duration, String> {
    let Some(given) = given else { return Ok(SHORT) };
    match humantime::parse_duration(given) {
        Ok(duration) if duration >= SHORT => Ok(duration),
        Ok(_) => Err(format!("TLSGATE_SOAK={given}: expected at least {}", humantime::format_duration(SHORT))),
        Err(error) => Err(format!("TLSGATE_SOAK={given}: {error} (expected a time, such as 60m)")),
    }
}

/// The value of `TLSGATE_SOAK_UPGRADES`: for how long a process serves until another takes over. By default six do in the
/// whole time, and at most one in ten minutes.
pub(crate) fn upgrades(given: Option<&str>, duration: Duration) -> Result<Duration, String> {
    match given {
        None => Ok((duration / 6).clamp(Duration::from_secs(10), Duration::from_secs(600))),
        Some(given) => humantime::parse_duration(given)
            .map_err(|error| format!("TLSGATE_SOAK_UPGRADES={given}: {error} (expected a time, such as 10m)")),
    }
}

const NAME: &str = "soak";
/// Enough for an upgrade, some kills, and time limits that pass.
const SHORT: Duration = Duration::from_secs(20);
