//! `tlsgate completion` and `tlsgate manpage`: completion scripts and the manual page, generated from the definition of the
//! command line. Must not know: what any verb does.

use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use crate::cli::answer::exit::FAILED;
use crate::cli::answer::print::{complain, say};

pub(super) fn completion(shell: Shell, mut command: Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "tlsgate", &mut script);
    say(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

/// One page, with a section for each verb.
pub(super) fn manpage(command: Command) -> ExitCode {
    match page(command) {
        Ok(page) => {
            say(&String::from_utf8_lossy(&page));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("manpage: {error}"));
            FAILED.into()
        }
    }
}

fn page(mut command: Command) -> std::io::Result<Vec<u8>> {
    // Without it, the subcommands lack their full names and the help options, which parsing adds.
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    // clap_mangen writes one page for each command. roff may print a bare hyphen as a dash (groff_char(7)).
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        page.extend_from_slice(format!(".SH {}\n", verb.get_name().to_uppercase().replace('-', "\\-")).as_bytes());
        let part = clap_mangen::Man::new(verb.clone());
        part.render_description_section(&mut page)?;
        part.render_options_section(&mut page)?;
    }
    Ok(page)
}
