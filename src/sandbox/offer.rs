//! What a kernel does not offer, for an operator. Must not know: how it is found out.

/// What is missing, given the version of Landlock, 0 for none, and whether system calls can be filtered.
pub(super) fn lacking(version: u32, calls: bool) -> Vec<&'static str> {
    let mut lacking: Vec<_> = match version {
        // The others are parts of it.
        0 => vec!["Landlock (files, TCP ports, abstract Unix sockets)"],
        _ => LATER.iter().filter(|(since, _)| *since > version).map(|(_, what)| *what).collect(),
    };
    lacking.extend((!calls).then_some("seccomp (system calls)"));
    lacking
}

/// What came after the first version, in Linux 6.2, 6.7, 6.10 and 6.12.
const LATER: &[(u32, &str)] = &[
    (3, "Landlock 3 (files are not cut short)"),
    (4, "Landlock 4 (TCP ports)"),
    (5, "Landlock 5 (control of devices)"),
    (6, "Landlock 6 (abstract Unix sockets, signals)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_kernel_lacks_what_came_later() {
        assert_eq!(lacking(6, true), [""; 0]);
        assert_eq!(lacking(7, false), ["seccomp (system calls)"]);
        assert_eq!(lacking(0, true).len(), 1);
        // Debian 12 has Linux 6.1, which has version 2.
        assert_eq!(lacking(2, true).len(), 4);
    }
}
