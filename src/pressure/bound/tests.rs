//! Limits of groups and machines, in folders that look like `/`.

use tempfile::TempDir;

use super::*;

/// A folder with these files.
fn root(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       24000000 kB\nMemFree:         1000000 kB\n");
const TWO: &str = "25 23 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const ONE: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                   32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                   35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                   41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

fn found(files: &[(&str, &str)]) -> (usize, String) {
    let root = root(files);
    let (bytes, source) = smallest(root.path()).unwrap();
    (bytes, source.to_string().replace(root.path().to_str().unwrap(), ""))
}

#[test]
fn the_smallest_limit_of_a_group_or_of_those_around_it_counts() {
    let service = "sys/fs/cgroup/system.slice/tlsgate.service/memory.max";
    let own = [("proc/self/cgroup", "0::/system.slice/tlsgate.service\n"), ("proc/self/mountinfo", TWO), MEMINFO];
    let with = |more: &[(&'static str, &'static str)]| found(&[&own[..], more].concat());
    assert_eq!(with(&[(service, "67108864\n")]), (67_108_864, format!("/{service}")));
    assert_eq!(with(&[(service, "max\n")]), (24_000_000 * 1024, "the machine's memory".to_owned()));
    let slice = "sys/fs/cgroup/system.slice/memory.max";
    assert_eq!(with(&[(service, "max\n"), (slice, "1073741824\n")]), (1 << 30, format!("/{slice}")));
    assert_eq!(with(&[(service, "1073741824\n"), (slice, "1048576\n")]), (1 << 20, format!("/{slice}")));
    assert_eq!(with(&[(service, "1048576\n"), (slice, "1048576\n")]).1, format!("/{service}"), "the innermost");
    assert_eq!(with(&[(service, "999999999999999\n")]).1, "the machine's memory");
}

#[test]
fn version_1_has_other_files_and_its_own_way_to_write_no_limit() {
    let own = "8:pids:/\n4:memory:/jobs/one\n0::/\n";
    let own = [("proc/self/cgroup", own), ("proc/self/mountinfo", ONE), MEMINFO];
    let inside = "sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes";
    let around = "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes";
    let with = |more: &[(&'static str, &'static str)]| found(&[&own[..], more].concat());
    assert_eq!(with(&[(inside, "67108864\n")]), (64 << 20, format!("/{inside}")));
    assert_eq!(with(&[(inside, "9223372036854771712\n"), (around, "67108864\n")]).1, format!("/{around}"));
    assert_eq!(with(&[(inside, "9223372036854771712\n")]).1, "the machine's memory");
}

#[test]
fn in_a_container_the_mount_is_the_group() {
    let limit = ("sys/fs/cgroup/memory.max", "67108864\n");
    let of_host = "25 23 0:22 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup ro\n";
    for (path, mounts) in [("0::/docker/abc\n", of_host), ("0::/docker/xyz/../abc\n", of_host), ("0::/\n", TWO)] {
        let files = [("proc/self/cgroup", path), ("proc/self/mountinfo", mounts), limit, MEMINFO];
        assert_eq!(found(&files), (64 << 20, "/sys/fs/cgroup/memory.max".to_owned()), "{path}");
    }
}

#[test]
fn without_groups_the_machine_counts_and_without_anything_nothing() {
    assert_eq!(found(&[MEMINFO]), (24_000_000 * 1024, "the machine's memory".to_owned()));
    assert_eq!(smallest(root(&[]).path()), None);
    let odd = root(&[
        ("proc/self/cgroup", "x\n0::\n:::\n"),
        ("proc/self/mountinfo", " - \na - cgroup2\n"),
        ("proc/meminfo", "MemTotal: x kB"),
    ]);
    assert_eq!(smallest(odd.path()), None);
}

#[test]
fn a_setting_is_taken_as_it_is_and_auto_leaves_a_fifth() {
    assert_eq!(Bound::find(Setting::Off), None);
    assert_eq!(Bound::find(Setting::Bytes(7)), Some(Bound { bytes: 7, source: Source::Configured }));
    let auto = Bound::find(Setting::Auto).unwrap();
    let (all, source) = smallest(Path::new("/")).unwrap();
    assert_eq!((auto.bytes, &auto.source), (all / 5 * 4, &source));
    assert_eq!(auto.undercut(), None);
    assert_eq!(Bound { bytes: all + 1, source: Source::Configured }.undercut(), Some((all, source)));
}
