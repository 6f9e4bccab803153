use zeroize::Zeroizing;

use super::*;
use crate::fleet::mirror::item::Bytes;

fn file(size: usize) -> Content {
    Content::File(Bytes(Zeroizing::new(vec![7; size])))
}

/// Puts what is to be put, and returns the paths.
fn put(paths: &mut Paths, revision: Revision) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(batch) = paths.batch(1, true) {
        all.extend(batch.items.iter().map(|(path, _)| path.clone()));
        paths.put(&batch, revision);
    }
    all
}

#[test]
fn what_is_new_is_refused_where_the_store_has_no_room_and_what_is_there_can_be_changed() {
    let mut paths = Paths { room: 3_000, ..Paths::new(BTreeMap::new()) };
    for path in ["a", "b", "c", "d"] {
        paths.offer(path.to_owned(), file(600));
    }
    // Two of them have room.
    assert_eq!(put(&mut paths, 5), ["a", "b"]);
    let refused = paths.take_refused();
    assert_eq!(refused.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [3, 4]);
    assert!(refused[0].1.starts_with("c: found 2626 bytes") && refused[0].1.contains("at most 3000"), "{refused:?}");
    assert_eq!((paths.pushed, paths.done), (4, 4));
    // They are not asked for again and again.
    paths.look = true;
    assert_eq!(paths.lacking(true), Vec::<String>::new());
    // What is there is renewed, and may become more.
    paths.offer("a".to_owned(), file(900));
    paths.offer("e".to_owned(), Content::Gone);
    assert_eq!(put(&mut paths, 6), ["a", "e"]);
    assert!(paths.take_refused().is_empty());
    // There is room again: the others are shared, as far as it goes.
    paths.see("b", 7, 0, None);
    paths.offer("a".to_owned(), file(1));
    assert_eq!(put(&mut paths, 8), ["a"]);
    let lacking = paths.lacking(true);
    assert_eq!(lacking, ["b", "c", "d"]);
    lacking.into_iter().for_each(|path| paths.found(path, file(600)));
    assert_eq!(put(&mut paths, 9), ["b"]);
    assert_eq!(paths.take_refused().len(), 2);
}
