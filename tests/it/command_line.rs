//! What shells and readers learn about the command line: completions, man pages, the schema.

use std::fs;
use std::path::Path;

use crate::support::proxy::PROGRAM;
use crate::support::tool;

mod unread;

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

#[test]
fn the_schema_takes_every_shipped_configuration_and_refuses_what_check_refuses() {
    let schema = tool::run(PROGRAM, &["schema"], b"");
    assert!(schema.status.success());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schema.json");
    fs::write(&path, &schema.stdout).unwrap();
    let takes = |file: &Path| {
        let arguments = ["-c", VALIDATE, path.to_str().unwrap(), file.to_str().unwrap()];
        let output = tool::run("/usr/bin/python3", &arguments, b"");
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", tool::shown(&output));
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let folders = ["config", "config/compose/tlsgate"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let shipped = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    // What a machine of a fleet has of its own is no configuration.
    let shipped = shipped.filter(|path| path.is_file() && !path.ends_with("fleet.toml"));
    let shipped: Vec<_> = shipped.collect();
    assert!(shipped.len() > 3);
    for file in shipped {
        assert_eq!(takes(&file), (true, String::new()), "{}", file.display());
    }
    let wrong = folder.path().join("wrong.toml");
    for (text, message) in [
        ("[log]\nlevle = \"info\"", "'levle' was unexpected"),
        ("[[listener]]\nname = 7", "7 is not of type 'string'"),
        ("[[listener]]\nlisten = \"127.0.0.1:0\"", "'name' is a required property"),
        ("[[listener]]\nname = \"a\"\n[[listener.route]]\nmode = true", "True is not of type 'string'"),
        ("[backend.a.health]\ntype = \"tcp\"\nrise = \"2\"", "'2' is not of type 'integer'"),
    ] {
        fs::write(&wrong, text).unwrap();
        let (taken, words) = takes(&wrong);
        assert!(!taken && words.contains(message), "{text}: {words}");
    }
}

/// Python's own TOML parser, and Debian's `python3-jsonschema`. Exits with 3 if the file does not match the schema.
const VALIDATE: &str = "
import json, sys, tomllib, jsonschema
schema, data = json.load(open(sys.argv[1])), tomllib.load(open(sys.argv[2], 'rb'))
jsonschema.Draft202012Validator.check_schema(schema)
errors = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(data)]
print('\\n'.join(errors), end='')
sys.exit(3 if errors else 0)
";
