//! Fates of ClientHellos → what dies, and where that is likely. Pure. Must not know: how they were sent.

use super::report::{Conclusion, Content, Delivery, Fate, SIZES, Tried};

/// What the trials show, beside the control. Empty where all arrive.
pub(super) fn conclude(control: &Tried, all: &[Tried]) -> Vec<Conclusion> {
    let mut conclusions = Vec::new();
    conclusions.extend(of_sizes(control, all));
    conclusions.extend(of_segments(control, all));
    conclusions.extend(of_records(control, all));
    let parts = [(Content::Grease, UNKNOWN), (Content::PostQuantum, POST_QUANTUM)]
        .map(|(content, why)| of_content(control, all, content, why));
    // Where one part of what Chromium sends dies alone, that is the reason.
    let together = parts.iter().all(Option::is_none);
    conclusions.extend(parts.into_iter().flatten());
    conclusions.extend(together.then(|| of_content(control, all, Content::Chromium, TOGETHER)).flatten());
    conclusions
}

/// Whether it was answered as the control was; a server may refuse the control too.
fn is_well(control: &Tried, one: &Tried) -> bool {
    match (&control.fate, &one.fate) {
        (Fate::Alert(before), Fate::Alert(now)) => before == now,
        // A server that speaks neither of a browser's protocols has read the whole hello.
        (_, Fate::Alert(NO_APPLICATION_PROTOCOL)) => one.content == Content::Chromium,
        (_, fate) => matches!(fate, Fate::Answered(_)),
    }
}

fn whole(all: &[Tried], content: Content, size: usize) -> Option<&Tried> {
    all.iter().find(|one| one.content == content && one.delivery == Delivery::Whole && one.size == size)
}

fn of_sizes(control: &Tried, all: &[Tried]) -> Option<Conclusion> {
    let plain: Vec<&Tried> = SIZES.iter().filter_map(|size| whole(all, Content::Plain, *size)).collect();
    let dead: Vec<&&Tried> = plain.iter().filter(|one| !is_well(control, one)).collect();
    let first = dead.first()?;
    let lengths: Vec<String> = dead.iter().map(|one| one.bytes.to_string()).collect();
    let longest =
        plain.iter().filter(|one| is_well(control, one) && one.bytes < first.bytes).map(|one| one.bytes).max();
    let longest = longest.unwrap_or(control.bytes);
    let likely = match first.bytes {
        1537.. => format!(
            "a limit between {longest} and {} bytes: something on the way, or the server, keeps only so much of a ClientHello \
             (one segment has about 1400 bytes)",
            first.bytes
        ),
        _ => format!(
            "a limit between {longest} and {} bytes: something on the way loses large packets (a wrong MTU), or keeps only \
             so much of a ClientHello",
            first.bytes
        ),
    };
    Some(conclusion(format!("whole ClientHellos of {} bytes", lengths.join(", ")), first, control, likely))
}

fn of_segments(control: &Tried, all: &[Tried]) -> Option<Conclusion> {
    let dead = dead_by_cut(control, all, Delivery::is_segments);
    let first = *dead.first()?;
    // The name in Chromium's hello comes after 1400 bytes.
    let before_name =
        |one: &&Tried| !matches!(one.delivery, Delivery::KeyShare | Delivery::LastByte | Delivery::Pieces);
    let what = match dead.iter().all(before_name) {
        true => "looks for the server name in the first segment, and does not wait for the rest",
        false => "expects the whole ClientHello in the first segment",
    };
    let likely =
        format!("a middlebox that {what}. A TLS server does not see where segments end, so it is not the server");
    Some(conclusion(format!("ClientHellos cut into TCP segments: {}", listed(&dead)), first, control, likely))
}

fn of_records(control: &Tried, all: &[Tried]) -> Option<Conclusion> {
    let dead = dead_by_cut(control, all, Delivery::is_records);
    let first = *dead.first()?;
    let likely =
        "a middlebox, or a server, that expects the ClientHello in one record (RFC 8446 section 5.1 allows several)";
    Some(conclusion(format!("ClientHellos in several records: {}", listed(&dead)), first, control, likely.to_owned()))
}

/// Those that arrive whole, but not cut in this way.
fn dead_by_cut<'a>(control: &Tried, all: &'a [Tried], of: impl Fn(Delivery) -> bool) -> Vec<&'a Tried> {
    let arrives_whole = |one: &Tried| whole(all, one.content, one.size).is_some_and(|whole| is_well(control, whole));
    all.iter().filter(|one| of(one.delivery) && !is_well(control, one) && arrives_whole(one)).collect()
}

fn of_content(control: &Tried, all: &[Tried], content: Content, why: &str) -> Option<Conclusion> {
    // A cut one may die of the cut.
    let special = all.iter().filter(|one| one.content == content && one.delivery == Delivery::Whole);
    // A plain one of the same length arrives, so the length is not the reason.
    let plain = |size| whole(all, Content::Plain, size).is_some_and(|whole| is_well(control, whole));
    let dead: Vec<&Tried> = special.filter(|one| !is_well(control, one) && plain(one.size)).collect();
    let first = *dead.first()?;
    let lengths: Vec<String> = dead.iter().map(|one| one.bytes.to_string()).collect();
    let finding = format!("ClientHellos {} (of {} bytes)", content.shown(), lengths.join(", "));
    Some(conclusion(finding, first, control, why.to_owned()))
}

/// The cuts that die, each with its lengths.
fn listed(dead: &[&Tried]) -> String {
    let mut texts = Vec::new();
    for (content, delivery) in [Content::Plain, Content::Chromium]
        .into_iter()
        .flat_map(|content| Delivery::ALL.into_iter().map(move |delivery| (content, delivery)))
    {
        let ours = dead.iter().filter(|one| (one.content, one.delivery) == (content, delivery));
        let lengths: Vec<String> = ours.map(|one| one.bytes.to_string()).collect();
        let what = if content == Content::Plain { String::new() } else { format!(" {}", content.shown()) };
        if !lengths.is_empty() {
            texts.push(format!("{}{what} ({} bytes)", delivery.shown(), lengths.join(", ")));
        }
    }
    texts.join("; ")
}

fn conclusion(what: String, first: &Tried, control: &Tried, likely: String) -> Conclusion {
    let end = match &first.fate {
        Fate::Alert(_) => format!("are refused: {}", first.fate.shown()),
        fate => format!("die: {}", fate.shown()),
    };
    let likely = match first.fate {
        // What ends a connection faster than the server answers is nearer than the server.
        Fate::Reset | Fate::Closed if first.took * 2 < control.took && control.took.as_millis() >= NOTICEABLE => {
            format!(
                "{likely}; the end comes after {:.1} ms, and the server's answers take {:.1} ms, so it is nearer than the server",
                first.took.as_secs_f64() * 1000.0,
                control.took.as_secs_f64() * 1000.0
            )
        }
        // An alert is sent by somebody who speaks TLS.
        Fate::Alert(_) => {
            format!("{likely}. The alert is from the server, or from something on the way that speaks TLS")
        }
        _ => likely,
    };
    Conclusion { finding: format!("{what} {end}"), likely }
}

const UNKNOWN: &str =
    "a middlebox, or a server, that refuses values that it does not know (RFC 8701 exists to find it)";
const POST_QUANTUM: &str =
    "a middlebox, or a server, that refuses groups that it does not know; an old firewall, for example";
const TOGETHER: &str = "a middlebox, or a server, that does not stand GREASE and a post-quantum key share together, or another extension of Chromium";
const NO_APPLICATION_PROTOCOL: u8 = 120;
/// In milliseconds.
const NOTICEABLE: u128 = 5;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn one(content: Content, delivery: Delivery, size: usize, fate: Fate) -> Tried {
        Tried { content, delivery, bytes: size, size, fate, took: Duration::from_millis(1) }
    }

    /// Every trial, with the fate that `fate` gives it.
    fn concluded(fate: impl Fn(Content, Delivery, usize) -> Fate) -> Vec<Conclusion> {
        let mut control = one(Content::Plain, Delivery::Whole, 0, Fate::Answered(0x0304));
        (control.bytes, control.took) = (250, Duration::from_millis(40));
        let mut all = Vec::new();
        for size in SIZES {
            for delivery in Delivery::ALL {
                all.push(one(Content::Plain, delivery, size, fate(Content::Plain, delivery, size)));
            }
            for content in [Content::Grease, Content::PostQuantum] {
                all.push(one(content, Delivery::Whole, size, fate(content, Delivery::Whole, size)));
            }
        }
        for delivery in [Delivery::Whole, Delivery::ServerName, Delivery::Mtu, Delivery::TwoRecords] {
            let fate = fate(Content::Chromium, delivery, 1917);
            all.push(Tried { bytes: 1917, ..one(Content::Chromium, delivery, SIZES[2], fate) });
        }
        conclude(&control, &all)
    }

    const WELL: Fate = Fate::Answered(0x0304);

    #[test]
    fn nothing_follows_where_all_arrive() {
        assert_eq!(concluded(|_, _, _| WELL), []);
    }

    #[test]
    fn each_cause_is_named_once_and_is_not_taken_for_another() {
        let size = concluded(|_, _, size| if size > 4000 { Fate::Silent } else { WELL });
        assert_eq!(size.len(), 1, "{size:?}");
        assert!(size[0].finding.starts_with("whole ClientHellos of 4096, 16384 bytes die"), "{size:?}");
        assert!(size[0].likely.contains("between 1536 and 4096"), "{size:?}");
        let cut = concluded(|_, delivery, _| if delivery.is_segments() { Fate::Reset } else { WELL });
        assert_eq!(cut.len(), 1, "{cut:?}");
        assert!(cut[0].likely.contains("the whole ClientHello in the first segment"), "{cut:?}");
        assert!(cut[0].likely.contains("nearer than the server"), "{cut:?}");
        let early = [
            Delivery::FirstByte,
            Delivery::RecordHeader,
            Delivery::MessageHeader,
            Delivery::ServerName,
            // Chromium's name comes later.
            Delivery::Mtu,
        ];
        let name = concluded(|_, delivery, _| if early.contains(&delivery) { Fate::Silent } else { WELL });
        assert!(name.len() == 1 && name[0].likely.contains("looks for the server name"), "{name:?}");
        let records = concluded(|_, delivery, _| if delivery.is_records() { Fate::Alert(50) } else { WELL });
        assert!(records.len() == 1 && records[0].finding.ends_with("are refused: alert decode_error"), "{records:?}");
        let grease = concluded(|content, _, _| if content == Content::Grease { Fate::Closed } else { WELL });
        assert!(grease.len() == 1 && grease[0].finding.contains("with GREASE"), "{grease:?}");
        let quantum = concluded(|content, _, _| if content == Content::PostQuantum { Fate::Silent } else { WELL });
        assert!(quantum.len() == 1 && quantum[0].finding.contains("X25519MLKEM768"), "{quantum:?}");
        let either = concluded(|content, _, _| match content {
            Content::PostQuantum | Content::Chromium => Fate::Silent,
            _ => WELL,
        });
        assert_eq!(either, quantum, "the part is the reason");
    }

    #[test]
    fn what_only_chromium_sends_is_named() {
        let all = concluded(|content, _, _| if content == Content::Chromium { Fate::Silent } else { WELL });
        assert!(all.len() == 1 && all[0].finding.contains("as Chromium sends it (of 1917 bytes)"), "{all:?}");
        assert!(all[0].likely.contains("GREASE and a post-quantum key share together"), "{all:?}");
        let cut = concluded(|content, delivery, _| match (content, delivery) {
            (Content::Chromium, Delivery::ServerName | Delivery::Mtu) => Fate::Silent,
            _ => WELL,
        });
        let expected = "ClientHellos cut into TCP segments: two segments, cut within the server name as Chromium sends it \
                        (1917 bytes); two segments, cut after 1400 bytes as Chromium sends it (1917 bytes) die: silence";
        assert!(cut.len() == 1 && cut[0].finding == expected, "{cut:?}");
        let records = concluded(|content, delivery, _| match (content, delivery) {
            (Content::Chromium, Delivery::TwoRecords) => Fate::Reset,
            _ => WELL,
        });
        assert!(
            records.len() == 1 && records[0].finding.contains("two records, cut in the middle as Chromium"),
            "{records:?}"
        );
        let too_long = concluded(|_, _, size| if size > 1600 { Fate::Silent } else { WELL });
        assert!(too_long.len() == 1 && too_long[0].finding.starts_with("whole ClientHellos"), "{too_long:?}");
        let protocols = concluded(|content, _, _| if content == Content::Chromium { Fate::Alert(120) } else { WELL });
        assert_eq!(protocols, [], "the server has read it");
    }
}
