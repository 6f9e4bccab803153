//! The parts of a release that somebody has made: whatever is in them, they are files or an error, never a panic and never
//! without an end; and files are cut and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::fleet::part::{Files, PartName, Plain};
use tlsgate::fleet::tree::reader::Reader;
use tlsgate::fleet::tree::{TreeError, cut, leads};

fuzz_target!(|data: &[u8]| {
    // Each line is a part, whose name is its place.
    let parts: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    if let Ok(files) = read(&parts) {
        for path in files.keys() {
            assert!(path.len() <= 1024 && path.split('/').all(|name| !matches!(name, "" | "." | "..")), "{path:?}");
        }
        again(&files);
    }
});

fn read(parts: &[&[u8]]) -> Result<Files, TreeError> {
    let mut reader = Reader::new(PartName("0".into()));
    loop {
        let wanted: Vec<PartName> = reader.wanted().cloned().collect();
        if wanted.is_empty() {
            return reader.finish().map(|read| read.files);
        }
        for name in wanted {
            let place = name.0.parse::<usize>().ok();
            let Some(part) = place.and_then(|place| parts.get(place)) else {
                return reader.finish().map(|read| read.files);
            };
            let _ = leads(part);
            reader.take(&name, part.to_vec().into())?;
        }
    }
}

/// Files that can be read can be published.
fn again(files: &Files) {
    let mut parts: Vec<Plain> = Vec::new();
    let root = cut(files, |part| {
        parts.push(part);
        Ok(PartName((parts.len() - 1).to_string()))
    });
    let mut reader = Reader::new(root.expect("what was read is within the bounds"));
    loop {
        let wanted: Vec<PartName> = reader.wanted().cloned().collect();
        if wanted.is_empty() {
            break;
        }
        for name in wanted {
            let place: usize = name.0.parse().expect("a name that was given");
            reader.take(&name, parts[place].clone()).expect("a part that was kept");
        }
    }
    let read = reader.finish().expect("all parts were taken");
    assert_eq!(&read.files, files);
    // Beside itself, nothing is needed.
    let beside = Reader::beside(read.index.root().clone(), read.index, true).expect("it was read");
    assert_eq!(beside.finish().map(|read| read.files), Ok(Files::new()));
}
