//! The time of day as the program sees it: stepped by the test (Debian's libfaketime).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// By how many seconds the program's clock is ahead.
#[derive(Clone)]
pub(crate) struct Clock {
    ahead: Arc<AtomicU64>,
    file: PathBuf,
}

impl Clock {
    pub(crate) fn new(folder: &Path) -> Self {
        let clock = Self { ahead: Arc::default(), file: folder.join("clock") };
        clock.step(0);
        clock
    }

    pub(crate) fn ahead(&self) -> u64 {
        self.ahead.load(Ordering::Acquire)
    }

    pub(crate) fn step(&self, seconds: u64) {
        let ahead = self.ahead.fetch_add(seconds, Ordering::AcqRel) + seconds;
        // Whole at any time: the program reads it again for each look at the clock.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("+{ahead}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// Lets the program that `command` starts see this clock. Its monotonic clock, by which it measures how long something
    /// takes, is the machine's.
    pub(crate) fn fake(command: &mut Command, folder: &Path) {
        command.env("LD_PRELOAD", library()).env("FAKETIME_TIMESTAMP_FILE", folder.join("clock"));
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
    }
}

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).filter(|path| path.exists());
    found.next().expect("libfaketime is not installed; tests/run installs it")
}
