//! Work that reads files, on a thread of its own, with a limit on how long one file may take.
//! Must not know: what the work is.
//!
//! A network file system whose server is gone blocks every reader for good, and a thread that is blocked in the kernel
//! cannot be ended. So the thread is left behind, and the caller goes on without it.

use std::io;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::config::located::ConfigError;
use crate::files::progress::{Place, Progress};

/// Work under way. Dropping it leaves its thread behind, which ends as soon as it can.
#[derive(Debug)]
pub struct Job<T> {
    answer: oneshot::Receiver<T>,
    progress: Progress,
    thread: Option<JoinHandle<()>>,
    /// The progress of the work when the time for the current file began.
    steps: u64,
    deadline: Instant,
    patience: Duration,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Lost {
    #[error("{}: could not be read within {} s (does its file system answer?)", path.display(), patience.as_secs())]
    Stuck { path: PathBuf, patience: Duration },
    #[error("it ended without a result, which is a fault of tlsgate")]
    Panicked,
}

impl<T: Send + 'static> Job<T> {
    /// Starts the work on a thread of that name.
    pub fn start(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        Self::with_patience(name, PATIENCE, work)
    }

    pub(super) fn with_patience(
        name: &str,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let (reply, answer) = oneshot::channel();
        let progress = Progress::default();
        let seen = progress.clone();
        // Sending fails only where the job was dropped, and then the result is not needed.
        let run = move || drop(reply.send(seen.watch(work)));
        let thread = Some(thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(Self { answer, progress, thread, steps: 0, deadline: Instant::now() + patience, patience })
    }

    /// Waits for the result, as long as the work goes on to another file in time. Dropping the future loses nothing: the
    /// wait can begin again.
    pub async fn finished(&mut self) -> Result<T, Lost> {
        loop {
            if let Ok(answer) = timeout_at(self.deadline, &mut self.answer).await {
                return answer.map_err(|_| Lost::Panicked);
            }
            if let Some(lost) = self.time_is_up() {
                return Err(lost);
            }
            self.deadline = Instant::now() + self.patience;
        }
    }

    /// `Some` where the work has been at the same file since the last call. Work that has not opened a file yet, or waits
    /// for the writer of a pipe, is not stuck.
    fn time_is_up(&mut self) -> Option<Lost> {
        let Place { path, steps, waits_for_writer } = self.progress.place();
        let reads_on = steps != std::mem::replace(&mut self.steps, steps);
        let path = path.filter(|_| !reads_on && !waits_for_writer)?;
        Some(Lost::Stuck { path, patience: self.patience })
    }

    /// The same, blocking the thread.
    pub fn wait(mut self) -> io::Result<Result<T, Lost>> {
        // A runtime of its own, since the caller has none.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Ok(runtime.block_on(self.finished()))
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.progress.give_up();
    }
}

impl Lost {
    /// As an error of the configuration.
    pub fn error(&self) -> ConfigError {
        ConfigError { path: String::new(), position: None, message: self.to_string() }
    }
}

/// Threads of abandoned jobs.
#[derive(Debug, Default)]
pub(super) struct LeftBehind(Vec<(JoinHandle<()>, Progress)>);

impl LeftBehind {
    pub(super) fn add<T>(&mut self, mut job: Job<T>) {
        self.0.extend(job.thread.take().map(|thread| (thread, job.progress.clone())));
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether another job may begin. The error names the file that the oldest one waits for.
    pub(super) fn room(&mut self) -> Result<(), ConfigError> {
        self.0.retain(|(thread, _)| !thread.is_finished());
        let Some((_, progress)) = self.0.first().filter(|_| self.0.len() >= MOST_LEFT_BEHIND) else { return Ok(()) };
        let path = progress.place().path.unwrap_or_default();
        let message = format!(
            "{}: {} earlier attempts still wait for it, and no other attempt begins until one of them has ended",
            path.display(),
            self.0.len()
        );
        Err(ConfigError { path: String::new(), position: None, message })
    }
}

/// For one file. A network file system answers within this time after its server was restarted.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Each keeps in memory what it has loaded so far.
const MOST_LEFT_BEHIND: usize = 4;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use super::*;
    use crate::files::progress;

    const SHORT: Duration = Duration::from_millis(5);

    /// Work that waits in a file of that name until the sender is dropped.
    fn stuck(path: &'static str) -> (Job<()>, mpsc::Sender<()>) {
        let (hold, held) = mpsc::channel::<()>();
        let work = move || {
            progress::begin(Path::new(path)).unwrap();
            let _ = held.recv();
        };
        (Job::with_patience("stuck", SHORT, work).unwrap(), hold)
    }

    #[test]
    fn a_result_comes_back() {
        assert_eq!(Job::start("work", || 7).unwrap().wait().unwrap(), Ok(7));
    }

    #[test]
    fn the_file_that_holds_it_up_is_named() {
        let (job, _hold) = stuck("/mnt/gone/x.crt");
        let lost = job.wait().unwrap().unwrap_err();
        assert_eq!(lost, Lost::Stuck { path: "/mnt/gone/x.crt".into(), patience: SHORT });
        assert!(lost.error().message.starts_with("/mnt/gone/x.crt: could not be read"));
    }

    #[test]
    fn what_reads_on_is_waited_for() {
        let (go_on, wait) = mpsc::channel();
        let (report, reports) = mpsc::channel();
        let work = move || {
            for path in wait {
                progress::begin(path).unwrap();
                report.send(()).unwrap();
            }
        };
        let mut job = Job::start("files", work).unwrap();
        assert_eq!((job.time_is_up(), job.time_is_up()), (None, None), "no file was asked for");
        for path in ["/a", "/b"] {
            go_on.send(Path::new(path)).unwrap();
            reports.recv().unwrap();
            assert_eq!(job.time_is_up(), None);
        }
        assert_eq!(job.time_is_up(), Some(Lost::Stuck { path: "/b".into(), patience: PATIENCE }));
        drop(go_on);
        assert_eq!(job.wait().unwrap(), Ok(()));
    }

    #[test]
    fn who_writes_into_a_pipe_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        let reading = path.clone();
        let mut job = Job::start("pipe", move || crate::files::pipe::read_once(&reading, 10).unwrap()).unwrap();
        while !job.progress.place().waits_for_writer {
            thread::yield_now();
        }
        assert_eq!([job.time_is_up(), job.time_is_up(), job.time_is_up()], [None, None, None]);
        std::fs::write(&path, "late").unwrap();
        assert_eq!(job.wait().unwrap(), Ok("late".to_owned()));
    }

    #[test]
    fn work_that_panics_is_lost_and_nothing_else() {
        let job = Job::<()>::start("panics", || panic!("on purpose")).unwrap();
        assert_eq!(job.wait().unwrap(), Err(Lost::Panicked));
    }

    #[test]
    fn no_more_than_a_few_are_left_behind() {
        let mut left = LeftBehind::default();
        let mut holds = Vec::new();
        for _ in 0..MOST_LEFT_BEHIND {
            assert!(left.room().is_ok());
            let (mut job, hold) = stuck("/mnt/gone");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            assert!(runtime.block_on(job.finished()).is_err());
            left.add(job);
            holds.push(hold);
        }
        assert!(left.room().unwrap_err().message.starts_with("/mnt/gone: 4 earlier attempts"));
        holds.pop();
        // The thread ends, which nothing announces.
        while left.room().is_err() {
            thread::yield_now();
        }
    }
}
