//! Several processes and threads at one folder, also such that are killed.

use super::*;

#[test]
fn whoever_reads_through_the_folder_finds_the_files_of_one_version() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(root.path()).unwrap();
    let put = |round: usize| {
        let text = round.to_string();
        folder.replace(Path::new("a/b"), &[("tls.crt", text.as_bytes()), ("tls.key", text.as_bytes())]).unwrap();
    };
    put(0);
    let ended = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut seen, mut versions) = (0, std::collections::BTreeSet::new());
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                let opened = steps::enter(&folder.top, Path::new("a/b")).expect("it is never missing");
                let read = |name| {
                    let file = openat(&opened, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
                    io::read_to_string(File::from(file)).ok()
                };
                // The old folder is emptied once the new one is there.
                if let (Some(one), Some(other)) = (read("tls.crt"), read("tls.key")) {
                    assert_eq!(one, other);
                    assert!(!one.is_empty());
                    versions.insert(one);
                    seen += 1;
                }
            }
            (seen, versions.len())
        });
        for round in 1..300 {
            put(round);
        }
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        let (seen, versions) = reader.join().unwrap();
        assert!(seen > 0 && versions > 1, "{seen} reads of {versions} versions");
    });
}

#[test]
fn a_process_that_is_killed_leaves_nothing_half() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(root.path()).unwrap();
    for round in 0_u32..12 {
        let mut child = here("", "write without end", root.path()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        lines.find(|line| line.contains("begins")).unwrap();
        // At another place in its work each time: after that many changes of the file.
        let path = root.path().join("file");
        let mut before = fs::read(&path).ok();
        for _ in 0..round {
            while fs::read(&path).ok() == before {
                assert!(child.try_wait().unwrap().is_none());
            }
            before = fs::read(&path).ok();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let file = folder.read(Path::new("file")).unwrap().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        if let Some(file) = file {
            let one = &file[..file.len() / 1000];
            assert_eq!(file, one.repeat(1000));
        }
        if root.path().join("a").exists() {
            assert!(folder.read(Path::new("a/x")).unwrap().is_some());
            assert_eq!(folder.read(Path::new("a/y")).unwrap().unwrap().len(), 9000);
        }
        folder.tidy().unwrap();
        let left = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.into_iter().all(|name| name == "file" || name == "a"));
    }
}
