// What runs in a process of its own reports through its standard output.
#![allow(clippy::print_stdout)]

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Output, Stdio};
use std::thread;

use super::*;

mod many;

/// What the test runs in a process of its own, in which the umask, the file system and the moment of its death are the
/// test's.
const PART: &str = "TLSGATE_TEST_PART";
const PLACE: &str = "TLSGATE_TEST_PLACE";
const BEGINS: &str = "state::tests::all_is_private_whatever_the_umask";

fn here(script: &str, part: &str, place: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-ec", &format!("{script}\nexec \"$0\" \"$@\"")]);
    command.arg(env::current_exe().unwrap()).args(["--exact", BEGINS, "--nocapture"]);
    command.env(PART, part).env(PLACE, place).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(script: &str, part: &str, place: &Path) -> Output {
    let output = here(script, part, place).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("part ended"), "{text}");
    output
}

/// Does a part, if this process was started for one.
fn does_a_part() -> bool {
    let (Ok(part), Ok(place)) = (env::var(PART), env::var(PLACE).map(PathBuf::from)) else { return false };
    match part.as_str() {
        "modes" => {
            let folder = Folder::open(&place).unwrap();
            folder.write(Path::new("a/b/file"), b"secret").unwrap();
            folder.replace(Path::new("c/d"), &[("tls.key", b"secret")]).unwrap();
            drop(folder.lock().unwrap().unwrap());
        }
        "full" => full(&place),
        "read-only" => {
            let folder = Folder::open(&place).unwrap();
            for error in [
                folder.write(Path::new("file"), b"new"),
                folder.replace(Path::new("a"), &[]),
                folder.remove(Path::new("file")),
            ] {
                let error = error.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem);
                assert!(error.to_string().ends_with(": the file system is read-only"), "{error}");
                assert!(error.to_string().starts_with(&format!("{}/", place.display())), "{error}");
            }
            assert_eq!(folder.read(Path::new("file")).unwrap().unwrap().as_slice(), b"old");
            for (below, what) in [("", "written to"), ("new", "made"), ("new/new", "made")] {
                let error = usable(&place.join(below)).unwrap_err().to_string();
                assert!(error.ends_with(&format!("cannot be {what}: the file system is read-only")), "{error}");
            }
        }
        "lock" => {
            let folder = Folder::open(&place).unwrap();
            let lock = folder.lock().unwrap();
            println!("locked: {} {}", lock.is_some(), std::process::id());
            // Until the test closes the pipe, or kills it.
            let _ = io::stdin().read_line(&mut String::new());
        }
        "write without end" => {
            let folder = Folder::open(&place).unwrap();
            println!("begins");
            for round in 0.. {
                folder.write(Path::new("file"), format!("{round}").repeat(1000).as_bytes()).unwrap();
                folder.replace(Path::new("a"), &[("x", format!("{round}").as_bytes()), ("y", &[b' '; 9000])]).unwrap();
            }
        }
        other => unreachable!("{other}"),
    }
    println!("part ended");
    true
}

fn full(place: &Path) {
    let folder = Folder::open(place).unwrap();
    folder.write(Path::new("file"), b"old").unwrap();
    folder.replace(Path::new("a/b"), &[("tls.crt", b"old"), ("tls.key", b"old")]).unwrap();
    let large = vec![b'x'; 1 << 20];
    let errors = [
        folder.write(Path::new("file"), &large),
        folder.write(Path::new("new/file"), &large),
        folder.replace(Path::new("a/b"), &[("tls.crt", b"new"), ("tls.key", &large)]),
    ];
    for (error, path) in errors.into_iter().zip(["file", "new/file", "a/b"]) {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let expected = format!("{}/{path} cannot be written: the file system is full", place.display());
        assert_eq!(error.to_string(), expected);
    }
    for file in ["file", "a/b/tls.crt", "a/b/tls.key"] {
        assert_eq!(folder.read(Path::new(file)).unwrap().unwrap().as_slice(), b"old", "{file}");
    }
    assert_eq!(folder.tidy().unwrap(), 0, "nothing is left behind");
    folder.write(Path::new("file"), b"new").unwrap();
}

#[test]
fn all_is_private_whatever_the_umask() {
    if does_a_part() {
        return;
    }
    for umask in ["0000", "0022", "0277"] {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("above/state");
        run(&format!("umask {umask}"), "modes", &place);
        let mut seen = 0;
        let mut folders = vec![place];
        while let Some(folder) = folders.pop() {
            assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o700, "{folder:?}");
            for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
                seen += 1;
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    assert_eq!(fs::metadata(&entry).unwrap().permissions().mode() & 0o7777, 0o600, "{entry:?}");
                }
            }
        }
        // a, a/b, a/b/file, c, c/d, c/d/tls.key, lock
        assert_eq!(seen, 7);
    }
}

#[test]
fn what_is_written_is_read_again_and_can_be_removed() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(&root.path().join("state")).unwrap();
    let file = Path::new("a/b/file");
    assert_eq!(folder.read(file).unwrap(), None);
    folder.remove(file).unwrap();
    for text in ["one", "", "three"] {
        folder.write(file, text.as_bytes()).unwrap();
        assert_eq!(folder.read(file).unwrap().unwrap().as_slice(), text.as_bytes());
    }
    folder.replace(Path::new("a"), &[("x", b"1"), ("y", b"2")]).unwrap();
    assert_eq!(folder.read(file).unwrap(), None, "the whole folder is another one");
    assert_eq!(folder.read(Path::new("a/y")).unwrap().unwrap().as_slice(), b"2");
    // A folder takes the place of a file, and a file never that of a folder.
    folder.replace(Path::new("a/x"), &[("z", b"3")]).unwrap();
    let error = folder.write(Path::new("a"), b"").unwrap_err().to_string();
    assert!(error.ends_with("/state/a cannot be written: found a folder, expected a file"), "{error}");
    folder.remove(Path::new("a/y")).unwrap();
    folder.remove(Path::new("a")).unwrap();
    assert_eq!(fs::read_dir(root.path().join("state")).unwrap().count(), 0, "not even a hidden name is left");
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(&root.path().join("state")).unwrap();
    for name in ["", ".", "..", "/etc/x", "../x", "a/../../x", "a/.hidden", ".tmp-0123456789abcdef", "/"] {
        let path = Path::new(name);
        for error in
            [folder.read(path).map(drop), folder.write(path, b""), folder.replace(path, &[]), folder.remove(path)]
        {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}: {error}");
        }
    }
    for name in ["", ".", "..", "a/../b", "a//b", "./a", "/x", "x/"] {
        folder.replace(Path::new("a"), &[(name, b"")]).unwrap_err();
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(root.path().join("state")).unwrap().count(), 0);
}

#[test]
fn a_folder_is_replaced_with_those_in_it() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(&root.path().join("state")).unwrap();
    let many: Vec<String> = (0..100).map(|number| format!("many/{}/{number}", number % 7)).collect();
    for names in [vec!["a", "b/c", "b/d", "b/e/f"], many.iter().map(String::as_str).collect(), vec!["b"]] {
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, name.as_bytes())).collect();
        folder.replace(Path::new("x/y"), &files).unwrap();
        for name in &names {
            let path = Path::new("x/y").join(name);
            assert_eq!(folder.read(&path).unwrap().unwrap().as_slice(), name.as_bytes());
        }
    }
    assert!(folder.read(Path::new("x/y/a")).unwrap().is_none());
    assert_eq!(fs::read_dir(root.path().join("state/x")).unwrap().count(), 1);
}

#[test]
fn a_link_leads_nowhere() {
    let root = tempfile::tempdir().unwrap();
    let at = |below: &str| root.path().join(below);
    fs::create_dir(at("elsewhere")).unwrap();
    fs::write(at("elsewhere/file"), "theirs").unwrap();
    let folder = Folder::open(&at("state")).unwrap();
    symlink("../elsewhere", at("state/link")).unwrap();
    symlink("../elsewhere/file", at("state/file")).unwrap();
    for path in ["link/file", "link/new/file"] {
        let expected = format!(
            "{}/state/{path} cannot be written: found a file or a link in place of a folder",
            root.path().display()
        );
        assert_eq!(folder.write(Path::new(path), b"ours").unwrap_err().to_string(), expected);
        folder.replace(Path::new(path), &[]).unwrap_err();
        folder.remove(Path::new(path)).unwrap_err();
        folder.read(Path::new(path)).unwrap_err();
    }
    let error = folder.read(Path::new("file")).unwrap_err().to_string();
    assert!(error.ends_with("state/file cannot be read: found a link, expected a file"), "{error}");
    // What takes a name takes it from the link, not from what the link leads to.
    folder.write(Path::new("file"), b"ours").unwrap();
    folder.replace(Path::new("link"), &[("file", b"ours")]).unwrap();
    symlink("../elsewhere", at("state/gone")).unwrap();
    folder.remove(Path::new("gone")).unwrap();
    assert_eq!(fs::read_to_string(at("elsewhere/file")).unwrap(), "theirs");
    assert_eq!(fs::read_dir(at("elsewhere")).unwrap().count(), 1);
    for ours in ["state/file", "state/link/file"] {
        assert_eq!(fs::read_to_string(at(ours)).unwrap(), "ours");
    }
    symlink("../elsewhere/lock", at("state/lock")).unwrap();
    folder.lock().unwrap_err();
    assert!(!at("elsewhere/lock").exists());
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("state");
    fs::create_dir(&place).unwrap();
    for (mode, refused) in [(0o777, true), (0o770, true), (0o702, true), (0o1777, true), (0o755, false), (0o700, false)]
    {
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(Folder::open(&place).is_err(), refused, "{mode:o}");
        let error = usable(&place).err().map(|error| error.to_string());
        let expected = format!(
            "{} may be written to by others (mode {mode:04o}), expected a folder of this user alone (mode 0700); name a \
             folder in it that tlsgate can make, or change it",
            place.display()
        );
        assert_eq!(error, refused.then_some(expected));
    }
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let me = rustix::process::geteuid();
    // Only root can give a folder away; for others, root's own is there.
    let (place, owner) = if me.is_root() {
        std::os::unix::fs::chown(root.path(), Some(65534), None).unwrap();
        (root.path(), 65534)
    } else {
        (Path::new("/usr"), 0)
    };
    let (path, this) = (place.display(), me.as_raw());
    let expected =
        format!("{path} belongs to user {owner}, expected {this}, which tlsgate runs as; name a folder in it");
    assert!(Folder::open(place).unwrap_err().to_string().starts_with(&expected));
    match usable(place) {
        Ok(()) => assert!(me.is_root(), "only root asks for others"),
        Err(error) => assert!(!me.is_root() && error.to_string().starts_with(&expected), "{error}"),
    }
}

#[test]
fn a_folder_that_is_exchanged_under_ones_feet_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("state");
    let folder = Folder::open(&place).unwrap();
    fs::rename(&place, root.path().join("away")).unwrap();
    folder.write(Path::new("file"), b"").unwrap_err();
    fs::create_dir(&place).unwrap();
    let error = folder.write(Path::new("file"), b"").unwrap_err().to_string();
    assert!(error.ends_with("/state is no longer the folder that was opened"), "{error}");
    for folder in ["state", "away"] {
        assert_eq!(fs::read_dir(root.path().join(folder)).unwrap().count(), 0);
    }
    Folder::open(&place).unwrap().write(Path::new("file"), b"").unwrap();
}

#[test]
fn only_regular_files_are_read() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("state");
    let folder = Folder::open(&place).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.join("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    fs::create_dir(place.join("folder")).unwrap();
    File::create(place.join("large")).unwrap().set_len(files::LARGEST_CERTIFICATES + 1).unwrap();
    for (name, expected) in [
        ("fifo", "is a FIFO, expected a regular file"),
        ("folder", "is a directory"),
        ("large", "is larger than 16 MiB"),
    ] {
        let error = folder.read(Path::new(name)).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
}

#[test]
fn a_full_file_system_and_a_read_only_one_are_named_and_cost_nothing_old() {
    let root = tempfile::tempdir().unwrap();
    let mounted = root.path().display().to_string();
    run(&format!("mount -t tmpfs -o size=256k tmpfs '{mounted}'"), "full", &root.path().join("state"));
    let place = root.path().join("kept");
    Folder::open(&place).unwrap().write(Path::new("file"), b"old").unwrap();
    run(&format!("mount --bind '{mounted}' '{mounted}'; mount -o remount,ro,bind '{mounted}'"), "read-only", &place);
}

#[test]
fn one_process_at_a_time_has_the_lock() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(root.path()).unwrap();
    assert_eq!(folder.holder(), None);
    let other = || {
        let mut child = here("", "lock", root.path()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.map(|line| line.trim().to_owned()).find(|line| line.contains("locked: ")).unwrap();
        let (has, id) = line.split_once("locked: ").unwrap().1.split_once(' ').unwrap();
        (child, has == "true", id.parse::<u32>().unwrap())
    };
    let lock = folder.lock().unwrap().unwrap();
    assert_eq!(folder.holder(), Some(std::process::id()));
    assert!(folder.lock().unwrap().is_none(), "nor twice in one process");
    let (mut refused, has, _) = other();
    assert!(!has);
    refused.kill().unwrap();
    refused.wait().unwrap();
    drop(lock);
    assert_eq!(folder.holder(), None, "it is released");
    let (mut child, has, id) = other();
    assert!(has);
    assert!(folder.lock().unwrap().is_none());
    assert_eq!(folder.holder(), Some(id));
    // A process that is killed holds nothing.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(folder.lock().unwrap().is_some());
}

#[test]
fn a_folder_is_made_out_of_one_that_nobody_needs() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(&root.path().join("state")).unwrap();
    let (bytes, same) = (|text: &'static str| Content::Bytes(text.as_bytes()), Content::Same);
    let made = |files, gone| Made { files, gone };
    let like = |name: &'static str| Some(Path::new(name));
    let has = |name: &str, files: &[(&str, u64)]| {
        let found = Manifest::of(&root.path().join("state").join(name)).ok();
        let found =
            found.map(|found| found.files().iter().map(|(path, mark)| (path.clone(), mark.size)).collect::<Vec<_>>());
        found == Some(files.iter().map(|(path, size)| ((*path).to_owned(), *size)).collect())
    };
    let first = [("a", bytes("1")), ("b/c", bytes("22")), ("b/d", bytes("3")), ("e/f/g", bytes("4"))];
    folder.replace_like(Path::new("x/1"), &made(&first, &[]), None).unwrap();
    let of_first = [("a", 1), ("b/c", 2), ("b/d", 1), ("e/f/g", 1)];
    assert!(has("x/1", &of_first) && !has("x/1", &of_first[1..]) && !has("x/2", &of_first));
    assert!(!has("x/1", &[("a", 1), ("b/c", 2), ("b/d", 2), ("e/f/g", 1)]));
    // A folder becomes a file, a file becomes a folder, and the rest stays as it is.
    let second = [("a/x", bytes("5")), ("b/c", same), ("e", bytes("666"))];
    let files = [("a/x", bytes("5")), ("b/c", same), ("b/d", same), ("e", bytes("666"))];
    folder.replace_like(Path::new("x/2"), &made(&files, &[]), like("x/1")).unwrap();
    let of_second = [("a/x", 1), ("b/c", 2), ("b/d", 1), ("e", 3)];
    assert!(has("x/2", &of_second));
    let gone = ["a", "e/f/g"];
    folder.replace_out_of(Path::new("x/3"), Path::new("x/1"), &made(&second, &gone), like("x/2")).unwrap();
    assert!(has("x/3", &of_second) && has("x/2", &of_second) && !has("x/1", &of_first));
    // What is not there cannot be the same; what was to be changed is gone then, and nothing is half.
    let missing = [("nothing", same)];
    for spare in ["x/3", "x/none", "y"] {
        let error =
            folder.replace_out_of(Path::new("x/4"), Path::new(spare), &made(&missing, &[]), like("x/2")).unwrap_err();
        assert!(error.to_string().contains("x/4"), "{error}");
    }
    folder.replace_like(Path::new("x/4"), &made(&missing, &[]), like("x/2")).unwrap_err();
    folder.replace_like(Path::new("x/4"), &made(&[("a", bytes("1"))], &["../x"]), None).unwrap_err();
    let left: Vec<_> =
        fs::read_dir(root.path().join("state/x")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["2"]);
}
