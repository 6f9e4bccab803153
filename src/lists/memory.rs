//! What is remembered of lists across restarts, as files below the state folder. Must not know: when something is fetched.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::lists::fetch::Mark;
use crate::lists::schedule::LONGEST_DEMAND;
use crate::lists::url::Url;
use crate::state::Folder;
use crate::tls::trust::lists::points::Point;

/// What is remembered of one list. Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub url: String,
    /// When the list was fetched last, or the server said that it is still the same.
    pub fetched: Option<i64>,
    pub etag: Option<String>,
    pub modified: Option<String>,
    /// Fetches that have failed since the last one that succeeded.
    pub failures: u32,
    pub failing_since: Option<i64>,
    /// When `next` was determined.
    pub since: i64,
    /// When it is fetched next.
    pub next: i64,
    /// When the list that is kept is out of date.
    pub ends: Option<i64>,
}

impl Memory {
    /// What the server called the list.
    pub fn mark(&self) -> Mark {
        Mark { etag: self.etag.clone(), modified: self.modified.clone() }
    }

    /// When it is fetched next, at the latest after `refresh` seconds, or after what a server may demand. A clock that has jumped back does not put it off.
    pub fn due(&self, now: i64, refresh: i64) -> i64 {
        let longest = if self.failures > 0 { refresh.max(LONGEST_DEMAND) } else { refresh };
        if now < self.since { now } else { self.next.min(self.since.saturating_add(longest)) }
    }
}

/// Reads what is remembered of a list. What cannot be read is forgotten: the list is fetched again.
pub fn read(folder: &Folder, url: &Url) -> Memory {
    let remembered = folder.read(&file(url)).ok().flatten();
    let memory = remembered.and_then(|bytes| serde_json::from_slice::<Memory>(&bytes).ok());
    memory.filter(|memory| memory.url == url.to_string()).unwrap_or_default()
}

/// Writes it.
pub fn write(folder: &Folder, url: &Url, memory: &Memory) -> Result<(), String> {
    let bytes = serde_json::to_vec_pretty(memory).map_err(|error| error.to_string())?;
    folder.write(&file(url), &bytes).map_err(|error| error.to_string())
}

/// When the list in a file of that stem is out of date, where that is known.
pub fn ends(folder: &Folder, stem: &str) -> Option<i64> {
    let bytes = folder.read(&of_stem(stem)).ok().flatten()?;
    serde_json::from_slice::<Memory>(&bytes).ok()?.ends
}

/// Forgets a list.
pub fn forget(folder: &Folder, stem: &str) -> Result<(), String> {
    folder.remove(&of_stem(stem)).map_err(|error| error.to_string())
}

/// The points that certificates of peers have shown, and when each was shown last, where that is known.
pub fn points(folder: &Folder) -> Vec<(Point, Option<i64>)> {
    let bytes = folder.read(Path::new(POINTS)).ok().flatten();
    let points = bytes.and_then(|bytes| serde_json::from_slice::<Vec<OfPoint>>(&bytes).ok()).unwrap_or_default();
    let with_time = points.into_iter().map(|point| match point {
        OfPoint::Shown { urls, shown } => (Point(urls), Some(shown)),
        OfPoint::Urls(urls) => (Point(urls), None),
    });
    with_time.filter(|(point, _)| !point.0.is_empty()).collect()
}

/// Remembers them.
pub fn keep_points(folder: &Folder, points: Vec<(Point, i64)>) -> Result<(), String> {
    let points: Vec<_> = points.into_iter().map(|(point, shown)| OfPoint::Shown { urls: point.0, shown }).collect();
    let bytes = serde_json::to_vec_pretty(&points).map_err(|error| error.to_string())?;
    folder.write(Path::new(POINTS), &bytes).map_err(|error| error.to_string())
}

/// A point in the file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OfPoint {
    Shown {
        urls: Vec<String>,
        shown: i64,
    },
    /// As an older version has written it.
    Urls(Vec<String>),
}

fn file(url: &Url) -> PathBuf {
    of_stem(&url.stem())
}

fn of_stem(stem: &str) -> PathBuf {
    Path::new("memory").join(format!("{stem}.json"))
}

const POINTS: &str = "memory/points.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_refresh_counts_at_once_and_a_clock_that_jumps_back_puts_nothing_off() {
        let memory = Memory { since: 1000, next: 1000 + 80_000, ..Memory::default() };
        assert_eq!(memory.due(1001, 86_400), 81_000);
        assert_eq!(memory.due(1001, 3600), 4600);
        assert_eq!(memory.due(999, 86_400), 999);
        // A pause that the server has demanded.
        let failed = Memory { failures: 1, next: 1000 + 3500, ..memory };
        assert_eq!(failed.due(1001, 60), 4500);
        // One that an older version has obeyed.
        assert_eq!(Memory { next: 81_000, ..failed }.due(1001, 60), 4600);
    }

    #[test]
    fn what_is_remembered_is_found_again_and_what_is_damaged_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(&root.path().join("lists")).unwrap();
        let url = Url::parse("http://a.test/1.crl").unwrap();
        assert_eq!(read(&folder, &url), Memory::default());
        let memory = Memory { url: url.to_string(), etag: Some("\"a\"".into()), ends: Some(7), ..Memory::default() };
        write(&folder, &url, &memory).unwrap();
        assert_eq!(read(&folder, &url), memory);
        assert_eq!(ends(&folder, &url.stem()), Some(7));
        let path = folder.path().join(file(&url));
        let whole = std::fs::read(&path).unwrap();
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert_eq!(read(&folder, &url), Memory::default(), "{end}");
        }
        let shown = Point(vec!["http://a.test/1".into(), "http://b.test/1".into()]);
        keep_points(&folder, vec![(shown.clone(), 7)]).unwrap();
        assert_eq!(points(&folder), [(shown.clone(), Some(7))]);
        let of_older_version = br#"[["http://a.test/1", "http://b.test/1"], []]"#;
        folder.write(Path::new(POINTS), of_older_version).unwrap();
        assert_eq!(points(&folder), [(shown, None)]);
        forget(&folder, &url.stem()).unwrap();
        assert_eq!(ends(&folder, &url.stem()), None);
    }
}
