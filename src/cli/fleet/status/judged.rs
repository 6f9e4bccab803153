//! What is not as it should be in a fleet. Pure. Must not know: how it is shown.

use super::seen::Seen;
use crate::cli::fleet::shown::{names, time};
use crate::fleet::record::{Record, Registration};

/// A line for each fault.
pub(super) fn faults(seen: &Seen, expected: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for member in &seen.members {
        match &member.state {
            Err(reason) => faults.push(format!("etcd {}: {reason}", member.endpoint)),
            Ok(state) => {
                faults.extend(state.alarms.iter().map(|alarm| format!("etcd {}: alarm {alarm}", member.endpoint)));
            }
        }
    }
    for (name, node) in &seen.nodes {
        match node {
            Err(error) => faults.push(format!("node {name:?}: {error}")),
            Ok(node) => {
                faults.extend(of_node(node, seen.current.as_ref()).map(|fault| format!("node {name:?}: {fault}")))
            }
        }
    }
    if let (Some(damage), Some(current)) = (&seen.damage, &seen.current) {
        faults
            .push(format!("release {}: {damage}; tlsgate fleet publish --repair puts it there again", current.number));
    }
    faults.extend(seen.current.as_ref().and_then(|current| left(current, seen.now)));
    faults.extend(seen.of_old_secret.as_ref().err().cloned());
    match &seen.leader {
        Err(error) => faults.push(error.clone()),
        Ok(None) if !seen.nodes.is_empty() => {
            faults.push("nobody leads, expected one of the nodes (the log of each says why it does not)".into());
        }
        Ok(_) => {}
    }
    let gone: Vec<&str> =
        expected.iter().map(String::as_str).filter(|name| !seen.nodes.iter().any(|(node, _)| node == name)).collect();
    if !gone.is_empty() {
        faults.push(format!("not connected: {}", names(gone)));
    }
    faults
}

/// A canary about which nobody decides any more.
fn left(current: &Record, now: u64) -> Option<String> {
    let until = current.canary.as_ref()?.until.filter(|until| *until < now)?;
    Some(format!(
        "release {}: found a canary about which {} was to decide by {}, expected the end of it; publish or roll back",
        current.number,
        current.by,
        time(until)
    ))
}

/// What is wrong with a node.
pub(super) fn of_node(node: &Registration, current: Option<&Record>) -> Option<String> {
    if let Some(trouble) = &node.trouble {
        return Some(trouble.clone());
    }
    let current = current?;
    match &node.serving {
        None => Some(format!("serves nothing, expected release {}", current.number)),
        Some(serving) if serving.stamp < current.stamp => {
            Some(format!("serves release {}, expected {}", serving.number, current.number))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::{Member, MemberState};
    use crate::fleet::drained::Drained;
    use crate::fleet::record::{Canary, Root, Served};

    #[test]
    fn a_canary_is_a_fault_once_nobody_can_decide_about_it_any_more() {
        let canary = |until| Canary { root: Root("c".into()), nodes: vec!["a".into()], until };
        let record = |canary| Record {
            number: 7,
            stamp: 70,
            attempt: String::new(),
            root: Root("r".into()),
            canary,
            by: "ann@host".into(),
            note: String::new(),
        };
        let fault = left(&record(Some(canary(Some(5_000)))), 5_001).unwrap();
        assert!(fault.contains("ann@host was to decide by 1970-01-01T00:00:05Z"), "{fault}");
        let others = [Some(canary(Some(5_000))), Some(canary(None)), None];
        assert!(others.into_iter().all(|canary| left(&record(canary), 5_000).is_none()));
    }

    #[test]
    fn a_fault_is_whatever_an_operator_has_to_look_at() {
        let record = |number| Record {
            number,
            stamp: number * 10,
            attempt: String::new(),
            root: Root("r".into()),
            canary: None,
            by: String::new(),
            note: String::new(),
        };
        let node = |number: u64, trouble: Option<&str>| {
            let serving = (number > 0).then(|| Served { number, stamp: number * 10, root: Root("r".into()) });
            Ok(Registration {
                machine: String::new(),
                process: String::new(),
                session: 1,
                serving,
                trouble: trouble.map(str::to_owned),
            })
        };
        let state =
            MemberState { version: "3.5".into(), database_bytes: 1, is_leader: true, alarms: vec!["NOSPACE".into()] };
        let member = |name: &str, state| Member { endpoint: name.into(), state };
        let seen = Seen {
            members: vec![member("x", Ok(state)), member("y", Err("no answer".into()))],
            current: Some(record(7)),
            proposal: None,
            nodes: vec![
                ("a".into(), node(7, None)),
                ("b".into(), node(6, None)),
                ("c".into(), node(0, None)),
                ("d".into(), node(7, Some("the name is taken"))),
                ("e".into(), Err("cannot be opened".into())),
            ],
            answers: Vec::new(),
            drained: Drained::default(),
            is_of_old_secret: false,
            of_old_secret: Err("acme/ cannot be read".into()),
            damage: Some("a part is gone".into()),
            leader: Ok(None),
            now: 1_001,
        };
        let expected = [
            "etcd x: alarm NOSPACE",
            "etcd y: no answer",
            "node \"b\": serves release 6, expected 7",
            "node \"c\": serves nothing, expected release 7",
            "node \"d\": the name is taken",
            "node \"e\": cannot be opened",
            "release 7: a part is gone; tlsgate fleet publish --repair puts it there again",
            "acme/ cannot be read",
            "nobody leads, expected one of the nodes (the log of each says why it does not)",
            "not connected: f",
        ];
        assert_eq!(faults(&seen, &["a".into(), "f".into()]), expected);
        let fresh = Seen {
            members: Vec::new(),
            current: None,
            nodes: vec![("a".into(), node(0, None))],
            leader: Ok(Some("a".into())),
            of_old_secret: Ok(vec!["acme/a/account.json".into()]),
            ..seen
        };
        assert!(faults(&fresh, &[]).is_empty());
        let unread = Seen { leader: Err("control/leader: cannot be opened".into()), ..fresh };
        assert_eq!(faults(&unread, &[]), ["control/leader: cannot be opened"]);
        // Nobody is there who would lead.
        assert!(faults(&Seen { nodes: Vec::new(), leader: Ok(None), ..unread }, &[]).is_empty());
    }
}
