//! JA4 a second time, written after the description and not after tlsgate: slow and simple, with texts instead of
//! numbers. Panics at what is no ClientHello in one record.

use crate::clients::tools::sha256;

/// The JA4 of the ClientHello in this record.
pub(crate) fn ja4(record: &[u8]) -> String {
    let version = hex(&record[9..11]);
    let mut rest = &record[9 + 34..];
    skip(&mut rest, 1); // session id
    let suites = numbers(skip(&mut rest, 2));
    skip(&mut rest, 1); // compression methods
    let mut extensions = if rest.is_empty() { rest } else { skip(&mut rest, 2) };
    let mut all: Vec<(String, &[u8])> = Vec::new();
    while !extensions.is_empty() {
        let kind = hex(&extensions[..2]);
        extensions = &extensions[2..];
        all.push((kind, skip(&mut extensions, 2)));
    }
    all.retain(|(kind, _)| !GREASE.contains(&kind.as_str()));
    let find = |wanted: &str| all.iter().find(|(kind, _)| kind == wanted).map(|(_, data)| *data);
    let offered = find("002b").map(|data| numbers(&data[1..]).into_iter().max().unwrap_or_default());
    let version = match offered.unwrap_or(version).as_str() {
        "0304" => "13",
        "0303" => "12",
        "0302" => "11",
        "0301" => "10",
        other => panic!("version {other}"),
    };
    let name = if find("0000").is_some() { "d" } else { "i" };
    let protocol = find("0010").map_or(&[][..], |data| skip(&mut &data[2..], 1));
    let schemes = find("000d").map_or(Vec::new(), |data| numbers(&data[2..])).join(",");
    let mut kinds: Vec<&str> = all.iter().map(|(kind, _)| kind.as_str()).collect();
    let (suite_count, kind_count) = (suites.len().min(99), kinds.len().min(99));
    kinds.retain(|kind| !["0000", "0010"].contains(kind));
    kinds.sort_unstable();
    let mut suites = suites;
    suites.sort_unstable();
    let kinds = if schemes.is_empty() { kinds.join(",") } else { format!("{}_{schemes}", kinds.join(",")) };
    let head = format!("t{version}{name}{suite_count:02}{kind_count:02}{}", ends(protocol));
    format!("{head}_{}_{}", hash(&suites.join(",")), hash(&kinds))
}

fn ends(protocol: &[u8]) -> String {
    let text = match protocol {
        [] => return "00".to_owned(),
        [first, .., last] if !(first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric()) => hex(protocol),
        [only] if !only.is_ascii_alphanumeric() => hex(protocol),
        all => all.iter().map(|byte| char::from(*byte)).collect(),
    };
    [text.chars().next(), text.chars().last()].into_iter().flatten().collect()
}

/// Takes off the front a vector whose length has so many bytes.
fn skip<'a>(rest: &mut &'a [u8], size: usize) -> &'a [u8] {
    let length = rest[..size].iter().fold(0, |length, byte| length * 256 + usize::from(*byte));
    let (vector, after) = rest[size..].split_at(length);
    *rest = after;
    vector
}

fn numbers(list: &[u8]) -> Vec<String> {
    list.chunks(2).map(hex).filter(|number| !GREASE.contains(&number.as_str())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(text: &str) -> String {
    if text.is_empty() { "000000000000".to_owned() } else { sha256(text.as_bytes())[..12].to_lowercase() }
}

const GREASE: [&str; 16] = [
    "0a0a", "1a1a", "2a2a", "3a3a", "4a4a", "5a5a", "6a6a", "7a7a", "8a8a", "9a9a", "aaaa", "baba", "caca", "dada",
    "eaea", "fafa",
];

#[test]
fn it_agrees_with_what_is_published() {
    for (name, expected, record) in super::published() {
        assert_eq!(ja4(&record), expected, "{name}");
    }
}
