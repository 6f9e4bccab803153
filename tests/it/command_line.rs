//! What shells and readers are told of the command line.

use crate::support::proxy::PROGRAM;
use crate::support::tool;

#[test]
fn bash_takes_the_completion_and_man_takes_the_page() {
    let script = tool::run(PROGRAM, &["completion", "bash"], b"");
    assert!(script.status.success());
    let taken = tool::run("bash", &["-n"], &script.stdout);
    assert!(taken.status.success() && taken.stderr.is_empty(), "{}", tool::shown(&taken));
    let unknown = tool::run(PROGRAM, &["completion", "cmd.exe"], b"");
    assert_eq!(unknown.status.code(), Some(2));

    let page = tool::run(PROGRAM, &["manpage"], b"");
    assert!(page.status.success());
    let text = String::from_utf8(page.stdout).unwrap();
    for verb in ["RUN", "CHECK", "EXPLAIN", "PROBE", "CERT", "POLICY", "RELOAD", "DEMO"] {
        assert!(text.contains(&format!(".SH {verb}\n")), "{verb} is not in the page");
    }
}
