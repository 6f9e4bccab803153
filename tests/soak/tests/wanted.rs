//! `cargo test` with any arguments, and `TLSGATE_SOAK`.

use std::time::Duration;

use crate::options::{duration, is_wanted, upgrades};

#[test]
fn it_runs_unless_other_tests_are_meant() {
    let wanted = |arguments: &str| {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        is_wanted(&arguments)
    };
    for arguments in ["", "soak", "--nocapture", "--skip testssl_finds", "--test-threads 1", "oa --exact"] {
        assert!(wanted(arguments), "{arguments}");
    }
    for arguments in ["starttls::", "--list", "--skip soak", "--test-threads 1 layers", "--ignored"] {
        assert!(!wanted(arguments), "{arguments}");
    }
}

#[test]
fn its_time_is_written_with_a_unit() {
    assert_eq!(duration(Some("60m")), Ok(Duration::from_secs(3600)));
    assert!(duration(None).is_ok_and(|short| short < Duration::from_secs(60)));
    let hour = Duration::from_secs(3600);
    assert_eq!(upgrades(None, hour), Ok(hour / 6));
    assert_eq!(upgrades(Some("1m"), hour), Ok(hour / 60));
    assert!(upgrades(Some("often"), hour).is_err());
    for wrong in ["60", "", "1s"] {
        let error = duration(Some(wrong)).unwrap_err();
        assert!(error.starts_with(&format!("TLSGATE_SOAK={wrong}: ")), "{error}");
    }
}
