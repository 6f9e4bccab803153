//! Sends the same ClientHellos to two servers, and compares the answers. Any proxy in the middle must let these hellos
//! pass: they are well-formed, ask for the same name, and offer TLS 1.2 or 1.3. Must not know: what the comparison is for.

use super::super::ask::{Answer, Asker, ProbeError};
use super::super::hello::Offer;
use super::super::{groups, refusal, scan, suites};
use super::evidence::Evidence;
use crate::tls::wire::codes;
use crate::tls::wire::codes::versions::{TLS12, TLS13};

/// Whether all answers agree; if not, the first difference.
pub(super) fn compare(front: &mut Asker, backend: &mut Asker, name: Option<&str>) -> Result<Evidence, ProbeError> {
    let mut differences = Vec::new();
    let mut asked = 0;
    for version in [TLS13, TLS12] {
        let all = suites::of(version);
        let curves = if version == TLS13 { groups::of_tls13() } else { groups::of_tls12() };
        let plain = scan::plain_offer(version, name, &all, &curves);
        let reversed: Vec<u16> = all.iter().rev().copied().collect();
        let backwards: Vec<u16> = curves.iter().rev().copied().collect();
        let first_half: Vec<u16> = all.iter().step_by(2).copied().collect();
        let second_half: Vec<u16> = all.iter().skip(1).step_by(2).copied().collect();
        let mut offers = vec![
            ("every suite", plain.clone()),
            ("every suite, in reverse", Offer { suites: &reversed, ..plain.clone() }),
            ("every group, in reverse", Offer { groups: &backwards, ..plain.clone() }),
            ("half of the suites", Offer { suites: &first_half, ..plain.clone() }),
            ("the other half of the suites", Offer { suites: &second_half, ..plain.clone() }),
            // In all three registries of IANA, 0xfefe is reserved or for private use.
            ("no suite that exists", Offer { suites: &[0xfefe], ..plain.clone() }),
            ("no group that exists", Offer { groups: &[0xfefe], ..plain.clone() }),
            ("no signature scheme that exists", Offer { schemes: &[0xfefe], ..plain.clone() }),
        ];
        if version == TLS13 {
            offers.push(("a key share for x25519", Offer { shares: &[codes::groups::X25519], ..plain.clone() }));
        }
        for group in &curves {
            offers.push((IN_ONE_GROUP, Offer { groups: std::slice::from_ref(group), ..plain.clone() }));
        }
        for (what, offer) in offers {
            asked += 1;
            let (here, there) = (shape(front.ask(&offer)?), shape(backend.ask(&offer)?));
            if here != there {
                let what = match (what, offer.groups) {
                    (IN_ONE_GROUP, [group]) => format!("group {} alone", codes::group_name(*group)),
                    _ => what.to_owned(),
                };
                let version = codes::version_name(version);
                differences.push(format!("{version}, {what}: {here} here, {there} at the backend"));
            }
        }
    }
    let finding = match differences.as_slice() {
        [] => format!("{asked} different ClientHellos get the same answers"),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            format!("of {asked} ClientHellos {} are answered differently: {first}{more}", differences.len())
        }
    };
    Ok(Evidence { check: "behaviour", speaks_for: Some(differences.is_empty()), finding })
}

/// The parts of an answer that do not change from one connection to the next.
fn shape(answer: Answer) -> String {
    // Not the random, the session ID, keys and signatures.
    match answer {
        Answer::Agreed(hello, reply) => {
            let group = hello.group.or(reply.key_exchange.and_then(|exchange| exchange.group));
            let retry = if hello.is_retry { "a retry request" } else { "a ServerHello" };
            let group = group.map(|group| format!(", {}", codes::group_name(group))).unwrap_or_default();
            format!(
                "{retry} ({}, {}{group}, extensions {:?}, messages {:?})",
                codes::version_name(hello.version),
                codes::suite_name(hello.suite),
                hello.extensions,
                reply.messages
            )
        }
        other => refusal::refusal(&other),
    }
}

const IN_ONE_GROUP: &str = "one group alone";
