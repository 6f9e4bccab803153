//! Paths as people see them, and labels of metrics have them. Must not know: what the files contain.

use std::path::{Path, PathBuf};

/// A path. Of a file of a release of a fleet, it is the path in the release: the folder of each release has another name, and
/// what is the same in two of them would seem to be another file.
pub fn shown(path: &Path) -> String {
    in_release(path).as_deref().unwrap_or(path).display().to_string()
}

/// The path of a file in the release of a fleet; `None` for every other file.
pub fn in_release(path: &Path) -> Option<PathBuf> {
    let names: Vec<_> = path.iter().collect();
    let is_root = |name: &str| name.len() == ROOT && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let of_release = names.windows(3).position(|names| match names {
        [above, folder, root] => *above == "fleet" && *folder == "releases" && root.to_str().is_some_and(is_root),
        _ => false,
    });
    let below = names.get(of_release? + 3..).filter(|below| !below.is_empty())?;
    Some(below.iter().collect())
}

/// Digits of the name of a release.
const ROOT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_release_is_shown_as_it_is_named_there() {
        let root = "0123456789abcdef".repeat(4);
        let shown = |path: &str| shown(Path::new(path));
        assert_eq!(shown(&format!("/var/lib/tlsgate/fleet/releases/{root}/certs/a.crt")), "certs/a.crt");
        for other in ["/etc/a.crt", "a", &format!("/fleet/releases/{root}"), "/fleet/releases/x/a"] {
            assert_eq!(shown(other), other);
        }
    }
}
