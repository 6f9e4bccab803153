//! A debugger that plays an attacker's code in the process: it makes threads of the process do system calls. Must not know: which
//! of them should work.

use std::fs;

use libc::c_long;
use serde_json::{Value, json};

use super::procfs::eventually;
use super::tool;

/// A system call, and the error that it ends with; none where it has to work.
pub(crate) struct Call {
    name: &'static str,
    number: c_long,
    arguments: Value,
    fails: Option<i32>,
}

pub(crate) fn fails(error: i32, name: &'static str, number: c_long, arguments: Value) -> Call {
    Call { name, number, arguments, fails: Some(error) }
}

pub(crate) fn works(name: &'static str, number: c_long, arguments: Value) -> Call {
    Call { name, number, arguments, fails: None }
}

/// A text with a NUL after it.
pub(crate) fn text(text: &str) -> Value {
    bytes(format!("{text}\0").as_bytes())
}

pub(crate) fn bytes(bytes: &[u8]) -> Value {
    json!({ "bytes": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() })
}

pub(crate) fn result(name: &str) -> Value {
    json!({ "result": name })
}

/// The main thread, and one of those that serve.
pub(crate) fn threads(pid: u32) -> [u32; 2] {
    let own = || fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|entry| entry.unwrap());
    let worker = own().find(|task| fs::read_to_string(task.path().join("comm")).unwrap().starts_with("worker"));
    let worker = worker.unwrap_or_else(|| {
        let names = own().map(|task| fs::read_to_string(task.path().join("comm")).unwrap());
        panic!("no worker among {:?}", names.collect::<Vec<_>>())
    });
    [pid, worker.file_name().to_str().unwrap().parse().unwrap()]
}

/// The results of the calls; a negative one is an error number.
fn made(thread: u32, calls: &[Call]) -> Value {
    let script = tempfile::NamedTempFile::with_suffix(".py").unwrap();
    fs::write(script.path(), include_str!("calls.py")).unwrap();
    let list: Vec<Value> = calls.iter().map(|call| json!([call.name, call.number, call.arguments])).collect();
    let input = Value::from(list).to_string();
    let arguments = [script.path().to_str().unwrap().to_owned(), thread.to_string()];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // A thread that serves is for a moment not in a system call.
    eventually("the thread waits", || {
        let output = tool::run("python3", &arguments, input.as_bytes());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || text.contains("it does not wait"), "{}", tool::shown(&output));
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    })
}

pub(crate) fn assert_each(calls: &[Call], thread: u32) {
    let results = made(thread, calls);
    let wrong = calls.iter().filter_map(|call| {
        let found = results[call.name].as_i64().unwrap();
        let fine = call.fails.map_or(found >= 0, |error| found == -i64::from(error));
        (!fine).then(|| format!("{}: {found}, expected {:?}", call.name, call.fails.map(|error| -error)))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "thread {thread}:\n{}", wrong.join("\n"));
}
