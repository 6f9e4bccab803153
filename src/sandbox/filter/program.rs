//! Rules for system calls → a program for the kernel's filter (seccomp(2), classic BPF). Pure. Must not know: which calls are
//! allowed.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, sock_filter};

/// What happens with a system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    Allow,
    /// It fails with this error.
    Fail(u32),
    /// Allowed if the argument is one of these. Only its lower 32 bits are looked at: the kernel reads no more of it.
    OneOf {
        argument: u32,
        values: Vec<u32>,
    },
    /// Allowed if the argument is none of these.
    NoneOf {
        argument: u32,
        values: Vec<u32>,
    },
    /// Allowed if these bits of the argument have one of these values.
    Bits {
        argument: u32,
        mask: u32,
        values: Vec<u32>,
    },
    /// Allowed if each of these allows it.
    All(Vec<Rule>),
}

/// All rules.
#[derive(Debug)]
pub(super) struct Rules {
    /// As the kernel names this architecture (AUDIT_ARCH_…).
    pub(super) architecture: u32,
    /// The most frequent calls, which are allowed; the first comes first.
    pub(super) first: Vec<u32>,
    pub(super) calls: BTreeMap<u32, Rule>,
    /// From this number on, calls are unknown here: they fail as on a kernel that does not have them.
    pub(super) unknown: u32,
}

impl Rules {
    /// The program. Every call ends in it: none kills the process.
    pub(super) fn program(&self) -> BpfProgram {
        // Another architecture has other numbers.
        let mut program = vec![load(ARCHITECTURE), jump(EQUAL, self.architecture, 1, 0), end(&Rule::Fail(PERM))];
        program.push(load(NUMBER));
        for number in &self.first {
            program.extend([jump(EQUAL, *number, 0, 1), end(&Rule::Allow)]);
        }
        program.extend(tree(&self.leaves()));
        program
    }

    /// The first number of each range of calls with one rule.
    fn leaves(&self) -> Vec<(u32, Rule)> {
        let mut leaves: Vec<(u32, Rule)> = vec![(0, Rule::Fail(PERM))];
        let known = self.calls.range(..self.unknown);
        for (from, rule) in known.flat_map(|(number, rule)| [(*number, rule.clone()), (number + 1, Rule::Fail(PERM))]) {
            if leaves.last().is_some_and(|(last, _)| *last == from) {
                leaves.pop();
            }
            if leaves.last().is_none_or(|(_, before)| *before != rule) {
                leaves.push((from, rule));
            }
        }
        leaves.retain(|(from, _)| *from < self.unknown);
        leaves.push((self.unknown, Rule::Fail(NOSYS)));
        leaves
    }
}

/// Finds the range of a number by halves.
fn tree(leaves: &[(u32, Rule)]) -> BpfProgram {
    match leaves {
        [] => Vec::new(),
        [(_, rule)] => leaf(rule),
        _ => {
            let (below, above) = leaves.split_at(leaves.len() / 2);
            let below = tree(below);
            // A conditional jump is too short for half of the tree.
            let over = sock_filter { code: ALWAYS, jt: 0, jf: 0, k: u32::try_from(below.len()).unwrap_or(u32::MAX) };
            let mut program = vec![jump(AT_LEAST, above[0].0, 0, 1), over];
            program.extend(below);
            program.extend(tree(above));
            program
        }
    }
}

fn leaf(rule: &Rule) -> BpfProgram {
    let (fail, allow) = (end(&Rule::Fail(PERM)), end(&Rule::Allow));
    match rule {
        Rule::Allow | Rule::Fail(_) => vec![end(rule)],
        Rule::OneOf { argument, values } => [vec![load(low(*argument))], each(values, allow), vec![fail]].concat(),
        Rule::NoneOf { argument, values } => [vec![load(low(*argument))], each(values, fail), vec![allow]].concat(),
        Rule::Bits { argument, mask, values } => {
            let only = sock_filter { code: AND, jt: 0, jf: 0, k: *mask };
            [vec![load(low(*argument)), only], each(values, allow), vec![fail]].concat()
        }
        Rule::All(rules) => rules.iter().flat_map(passed).chain([allow]).collect(),
    }
}

/// As a leaf, but what it allows goes on behind it.
fn passed(rule: &Rule) -> BpfProgram {
    let (program, allow) = (leaf(rule), end(&Rule::Allow));
    let length = program.len();
    let behind =
        |at: usize| sock_filter { code: ALWAYS, jt: 0, jf: 0, k: u32::try_from(length - at - 1).unwrap_or(u32::MAX) };
    program.into_iter().enumerate().map(|(at, one)| if one == allow { behind(at) } else { one }).collect()
}

fn each(values: &[u32], then: sock_filter) -> BpfProgram {
    values.iter().flat_map(|value| [jump(EQUAL, *value, 0, 1), then.clone()]).collect()
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: LOAD, jt: 0, jf: 0, k: offset }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn end(rule: &Rule) -> sock_filter {
    let answer = match rule {
        Rule::Fail(error) => libc::SECCOMP_RET_ERRNO | error,
        _ => libc::SECCOMP_RET_ALLOW,
    };
    sock_filter { code: RETURN, jt: 0, jf: 0, k: answer }
}

/// Where the lower half of an argument is in `struct seccomp_data`, on processors that store that half first.
fn low(argument: u32) -> u32 {
    ARGUMENTS + 8 * argument
}

/// The offsets in `struct seccomp_data` (seccomp(2)).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// BPF_LD | BPF_W | BPF_ABS, and so on (bpf_common.h).
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ALWAYS: u16 = 0x05;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

pub(super) const PERM: u32 = libc::EPERM.cast_unsigned();
pub(super) const NOSYS: u32 = libc::ENOSYS.cast_unsigned();

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do.
    fn run(program: &[sock_filter], number: u32, arguments: [u64; 6], architecture: u32) -> Rule {
        let mut data = [number.to_le_bytes(), architecture.to_le_bytes()].concat();
        data.extend([0; 8]);
        data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
        let (mut at, mut value) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            at += 1;
            let mut either = |holds: bool| at += usize::from(if holds { jt } else { jf });
            match code {
                LOAD => value = u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().unwrap()),
                EQUAL => either(value == k),
                AT_LEAST => either(value >= k),
                ALWAYS => at += k as usize,
                AND => value &= k,
                RETURN if k == libc::SECCOMP_RET_ALLOW => return Rule::Allow,
                RETURN => return Rule::Fail(k ^ libc::SECCOMP_RET_ERRNO),
                other => panic!("{other:#x}"),
            }
        }
    }

    #[test]
    fn every_number_meets_its_rule() {
        let special = [
            (7, Rule::OneOf { argument: 0, values: vec![1, 10] }),
            (8, Rule::NoneOf { argument: 5, values: vec![3] }),
            (9, Rule::Bits { argument: 2, mask: 0b110, values: vec![0b100] }),
            (10, both()),
            (11, Rule::Fail(NOSYS)),
        ];
        let allowed = (20..400).filter(|number| number % 3 == 0 || number % 50 < 9);
        let calls: BTreeMap<u32, Rule> = allowed.map(|number| (number, Rule::Allow)).chain(special).collect();
        let rules = Rules { architecture: 5, first: vec![399, 21], calls: calls.clone(), unknown: 450 };
        let program = rules.program();
        for number in 0..500 {
            let expected = match calls.get(&number) {
                _ if number >= 450 => Rule::Fail(NOSYS),
                None => Rule::Fail(PERM),
                Some(Rule::OneOf { .. } | Rule::NoneOf { .. } | Rule::Bits { .. } | Rule::All(_)) => continue,
                Some(rule) => rule.clone(),
            };
            assert_eq!(run(&program, number, [0; 6], 5), expected, "{number}");
            assert_eq!(run(&program, number, [0; 6], 6), Rule::Fail(PERM), "{number} of another architecture");
        }
        assert_eq!(run(&program, u32::MAX, [0; 6], 5), Rule::Fail(NOSYS));
        let argument = |number, at: usize, value: u64| {
            let mut arguments = [0; 6];
            arguments[at] = value;
            run(&program, number, arguments, 5) == Rule::Allow
        };
        assert!(argument(7, 0, 1) && argument(7, 0, 10) && argument(7, 0, 1 << 32 | 10) && !argument(7, 0, 2));
        assert!(argument(8, 5, 2) && !argument(8, 5, 3));
        assert!(argument(9, 2, 0b1101) && !argument(9, 2, 0b110) && !argument(9, 2, 0b10));
    }

    fn both() -> Rule {
        let bits = Rule::Bits { argument: 1, mask: 0xf, values: vec![1, 2] };
        Rule::All(vec![Rule::OneOf { argument: 0, values: vec![4, 6] }, bits])
    }

    #[test]
    fn what_all_rules_of_a_call_allow_is_allowed() {
        let calls = [(9, Rule::Allow), (10, both()), (11, Rule::Allow)].into();
        let program = Rules { architecture: 5, first: Vec::new(), calls, unknown: 450 }.program();
        for (first, second, expected) in [
            (4, 1, Rule::Allow),
            (6, 2, Rule::Allow),
            (6, 0x80802, Rule::Allow),
            (5, 1, Rule::Fail(PERM)),
            (4, 0, Rule::Fail(PERM)),
            (4, 3, Rule::Fail(PERM)),
            (6, 0x80003, Rule::Fail(PERM)),
            (5, 3, Rule::Fail(PERM)),
        ] {
            assert_eq!(run(&program, 10, [first, second, 0, 0, 0, 0], 5), expected, "{first} {second:#x}");
        }
    }

    #[test]
    fn the_frequent_calls_come_first() {
        let calls = [(3, Rule::Allow), (300, Rule::Allow)].into();
        let program = Rules { architecture: 5, first: vec![300, 3], calls, unknown: 450 }.program();
        assert_eq!((program[4].k, program[5].k, program[6].k), (300, libc::SECCOMP_RET_ALLOW, 3));
    }
}
