use std::collections::BTreeMap;

use super::super::part::Parts;
use super::reader::{Read, Reader};
use super::*;

fn parts() -> Parts {
    Parts::new(&[b"secret"]).unwrap()
}

fn many(count: usize) -> Files {
    (0..count)
        .map(|one| (format!("certs/{one:05}/tls.crt"), format!("certificate {one}").into_bytes().into()))
        .collect()
}

/// All parts of a release, sealed.
fn stored(files: &Files) -> (PartName, BTreeMap<PartName, Vec<u8>>) {
    let (parts, mut store) = (parts(), BTreeMap::new());
    let root = cut(files, |part| {
        let name = parts.name(&part).unwrap();
        store.insert(name.clone(), parts.close(&name, &part).unwrap());
        Ok(name)
    });
    (root.unwrap(), store)
}

fn read(root: &PartName, store: &BTreeMap<PartName, Vec<u8>>) -> Result<Files, TreeError> {
    read_by(Reader::new(root.clone()), store).map(|(read, _)| read.files)
}

/// And how many parts that took.
fn read_by(mut reader: Reader, store: &BTreeMap<PartName, Vec<u8>>) -> Result<(Read, usize), TreeError> {
    let (parts, mut taken) = (parts(), 0);
    loop {
        let Some(name) = reader.wanted().next().cloned() else { break };
        taken += 1;
        let sealed = store.get(&name).ok_or_else(|| TreeError::Named("missing".into()))?;
        let content = parts.open(&name, sealed).map_err(|error| TreeError::Named(error.to_string()))?;
        reader.take(&name, content)?;
    }
    Ok((reader.finish()?, taken))
}

#[test]
fn what_is_read_is_what_was_cut() {
    let large: Vec<u8> = (0..3 * PIECE + 17).map(|at| (at / 251) as u8).collect();
    let mut files = many(1000);
    files.insert("tlsgate.toml".into(), b"[[listener]]".to_vec().into());
    files.extend(
        [("large", large), ("empty", Vec::new()), ("ünï/cödé", vec![0xff])]
            .map(|(path, content)| (path.to_owned(), content.into())),
    );
    for files in [BTreeMap::new(), many(1), many(2), files] {
        let (root, store) = stored(&files);
        assert_eq!(read(&root, &store).unwrap(), files);
    }
}

#[test]
fn a_change_of_one_file_costs_its_way_to_the_root() {
    let files = many(10_000);
    let (root, before) = stored(&files);
    let name = "certs/04711/tls.crt".to_owned();
    let mut changed = files.clone();
    changed.insert(name.clone(), b"renewed".to_vec().into());
    let mut added = files.clone();
    added.insert("certs/04711a/tls.crt".into(), b"new".to_vec().into());
    let mut removed = files;
    removed.remove(&name);
    for after in [changed, added, removed] {
        let (other, after) = stored(&after);
        assert_ne!(root, other);
        let new: Vec<usize> =
            after.iter().filter(|(name, _)| !before.contains_key(*name)).map(|(_, part)| part.len()).collect();
        assert!(new.len() <= 6 && new.iter().sum::<usize>() < 150_000, "{new:?}");
    }
}

#[test]
fn of_a_release_beside_another_one_only_what_differs_is_read() {
    let mut files = many(900);
    let (root, store) = stored(&files);
    let (first, all) = read_by(Reader::new(root.clone()), &store).unwrap();
    assert!(all > 900);
    let beside = |root: &PartName| Reader::beside(root.clone(), first.index.clone(), true).unwrap();
    let (same, taken) = read_by(beside(&root), &store).unwrap();
    assert_eq!((taken, same.files.len(), same.index.entries()), (0, 0, first.index.entries()));

    let changed = Files::from([
        ("certs/00700/tls.crt".to_owned(), b"another".to_vec().into()),
        ("certs/moved".to_owned(), b"certificate 800".to_vec().into()),
    ]);
    files.extend(changed.clone());
    files.remove("certs/00800/tls.crt");
    let (root, store) = stored(&files);
    let (second, taken) = read_by(beside(&root), &store).unwrap();
    assert_eq!(second.files, changed);
    assert!(taken <= 10, "{taken}");
    let (whole, _) = read_by(Reader::new(root.clone()), &store).unwrap();
    assert_eq!((&whole.files, whole.index.entries()), (&files, second.index.entries()));
    assert_eq!(second.index.root(), &root);
    // Where only its lists are here, all files are read.
    let listed = Reader::beside(root.clone(), first.index.clone(), false).unwrap();
    let (whole, taken) = read_by(listed, &store).unwrap();
    assert_eq!(whole.files, files);
    assert!(taken < store.len() - first.index.lists().count() / 2, "{taken}");
    let (_, taken) = read_by(beside(&root), &store).unwrap();
    // Without one of its parts it cannot be read.
    let needed: Vec<&PartName> = store.keys().filter(|name| first.index.list(name).is_none()).collect();
    let refused = needed.iter().filter(|name| {
        let mut without = store.clone();
        without.remove(**name);
        read_by(beside(&root), &without).is_err()
    });
    assert_eq!(refused.count(), taken);
}

#[test]
fn a_part_that_is_missing_changed_or_in_the_place_of_another_is_an_error() {
    let files = many(300);
    let (root, store) = stored(&files);
    let names: Vec<PartName> = store.keys().cloned().collect();
    for (index, name) in names.iter().enumerate() {
        let mut without = store.clone();
        without.remove(name);
        assert!(read(&root, &without).is_err());
        let mut swapped = store.clone();
        swapped.insert(name.clone(), store[&names[(index + 1) % names.len()]].clone());
        assert!(read(&root, &swapped).is_err());
        let mut changed = store.clone();
        let part = changed.get_mut(name).unwrap();
        let at = index * 7 % part.len();
        part[at] ^= 1;
        assert!(read(&root, &changed).is_err());
    }
}

#[test]
fn another_secret_names_the_same_content_differently_and_does_not_open_it() {
    let other = Parts::new(&[b"other"]).unwrap();
    let (mine, theirs) = (parts().name(b"password").unwrap(), other.name(b"password").unwrap());
    assert_ne!(mine, theirs);
    let sealed = parts().close(&mine, b"password").unwrap();
    assert!(other.open(&mine, &sealed).is_err());
    let both = Parts::new(&[b"other", b"secret"]).unwrap();
    assert_eq!(both.open(&mine, &sealed).unwrap().as_slice(), b"password");
    assert_eq!(both.name(b"password").unwrap(), theirs);
}

#[test]
fn paths_that_lead_elsewhere_are_refused_when_they_are_cut_and_when_they_are_read() {
    for path in ["", "/etc/passwd", "../a", "a/../b", "a//b", "./a", "a/.", "a/", "a\0b", "a\\b", &"a".repeat(1025)] {
        let error = TreeError::Path(path.to_owned());
        assert_eq!(cut(&BTreeMap::from([(path.to_owned(), Plain::default())]), |_| unreachable!()), Err(error.clone()));
        let list = List::Files(vec![File { path: path.to_owned(), size: 0, pieces: Vec::new() }]);
        let root = PartName("root".into());
        let mut reader = Reader::new(root.clone());
        let read = reader.take(&root, text(&list).unwrap()).and_then(|()| reader.finish());
        assert_eq!(read.map(|read| read.files), Err(error));
    }
    let both = ["a", "a/b"].map(|path| (path.to_owned(), Plain::default()));
    assert_eq!(cut(&BTreeMap::from(both), |_| unreachable!()), Err(TreeError::Twice("a".into())));
}

#[test]
fn lists_of_a_stranger_end() {
    let name = |text: &str| PartName(text.to_owned());
    // A list that leads to itself; a size that is not that of its pieces; a piece that is used as a list.
    let own = List::Lists(vec![Below { first: String::new(), list: name("root") }]);
    assert!(Reader::new(name("root")).take(&name("root"), text(&own).unwrap()).is_err());
    for size in [0, 2, u64::MAX] {
        let list = List::Files(vec![File { path: "a".into(), size, pieces: vec![name("piece")] }]);
        let mut reader = Reader::new(name("root"));
        let taken = reader.take(&name("root"), text(&list).unwrap());
        let result = taken.and_then(|()| reader.take(&name("piece"), vec![1].into())).and_then(|()| reader.finish());
        assert!(result.is_err(), "{size}");
    }
    let (root, store) = stored(&many(3));
    let list = parts().open(&root, &store[&root]).unwrap();
    for length in 0..list.len() {
        assert!(Reader::new(root.clone()).take(&root, list[..length].to_vec().into()).is_err());
    }
    assert!(Reader::new(root.clone()).take(&root, list).is_ok());
    assert!(Reader::new(root).finish().is_err());
}
