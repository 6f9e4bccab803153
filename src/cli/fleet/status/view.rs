//! The status of a fleet as text and JSON. Must not know: what is a fault.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::seen::Seen;
use crate::cli::answer::print::visible;
use crate::cli::fleet::shown::{counted, names, release, release_json, time};
use crate::etcd::Member;
use crate::fleet::drained::One;
use crate::fleet::key;
use crate::fleet::record::{Answer, Proposal, Registration};

pub(super) fn text(seen: &Seen, faults: &[String]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (name, node) in &seen.nodes {
        let _ = writeln!(text, "node {}: {}", visible(name), visible(&served(node)));
    }
    // What else there is to say of it is a fault, and without a node nothing.
    if let Ok(Some(leader)) = &seen.leader {
        let _ = writeln!(text, "leader: {}", visible(leader));
    }
    if seen.nodes.is_empty() {
        text.push_str("no node is connected\n");
    }
    text.push_str(&members(&seen.members));
    match &seen.current {
        Some(record) => {
            let _ = writeln!(text, "{}", release(record));
            if let Some(canary) = &record.canary {
                let nodes = names(canary.nodes.iter().map(String::as_str));
                let until =
                    canary.until.map_or_else(String::new, |until| format!(", until {} at the latest", time(until)));
                let _ = writeln!(text, "  a canary: {nodes} alone serve what is new{until}");
            }
        }
        None => text.push_str("nothing was published yet\n"),
    }
    if seen.is_of_old_secret {
        text.push_str("  sealed with the second secret: publish it again before that is dropped\n");
    }
    text.push_str(&of_old_secret(seen.of_old_secret.as_deref().unwrap_or_default()));
    if let Some(proposal) = &seen.proposal {
        let _ = writeln!(text, "proposed: {}", release(&proposal.record));
        for (name, state) in answers(seen, proposal) {
            let _ = writeln!(text, "  {}: {}", visible(name), visible(&state));
        }
    }
    for One { backend, server, since, by, .. } in seen.drained.all().filter(|one| one.is_drained) {
        let _ = writeln!(
            text,
            "out of rotation: {}/{} since {} by {}",
            visible(backend),
            visible(server),
            time(since),
            visible(by)
        );
    }
    for fault in faults {
        let _ = writeln!(text, "fault: {}", visible(fault));
    }
    text
}

/// What is still sealed with the second secret, besides the release, and who seals it again.
fn of_old_secret(keys: &[String]) -> String {
    let (orders, others): (Vec<&str>, Vec<&str>) =
        keys.iter().map(String::as_str).partition(|key| key.starts_with(key::ORDERS));
    let mut text = String::new();
    if !others.is_empty() {
        let others = names(others);
        let _ = writeln!(text, "sealed with the second secret: {others}; publish again before that is dropped");
    }
    if let Some(first) = orders.first() {
        let (count, first) = (counted(orders.len(), "value"), visible(first));
        let _ = writeln!(
            text,
            "sealed with the second secret: {count} of certificates of authorities, such as {first}; the node that leads seals \
             them again: wait for that before the secret is dropped"
        );
    }
    text
}

/// etcd's members, a line for each.
pub(super) fn members(members: &[Member]) -> String {
    let line = |member: &Member| match &member.state {
        Err(reason) => format!("etcd {}: {}\n", member.endpoint, visible(reason)),
        Ok(state) => {
            let leader = if state.is_leader { ", leader" } else { "" };
            let alarms = state.alarms.iter().map(|alarm| format!(", alarm {}", visible(alarm))).collect::<String>();
            let mebibytes = state.database_bytes.div_ceil(1 << 20);
            format!("etcd {}: {}{leader}, {mebibytes} MiB{alarms}\n", member.endpoint, visible(&state.version))
        }
    };
    members.iter().map(line).collect()
}

fn served(node: &Result<Registration, String>) -> String {
    match node {
        Err(error) => error.clone(),
        Ok(node) => match &node.serving {
            Some(serving) => format!("release {} of {}", serving.number, time(serving.stamp)),
            None => "serves nothing".into(),
        },
    }
}

/// What each node has answered to the proposal.
fn answers<'s>(seen: &'s Seen, proposal: &'s Proposal) -> Vec<(&'s str, String)> {
    let answer = |(name, node): &'s (String, Result<Registration, String>)| {
        let session = node.as_ref().ok().map(|node| node.session);
        let to_this = |answer: &&Answer| Some(answer.session) == session;
        let found = seen.answers.iter().find(|(node, _)| node == name).and_then(|(_, answer)| answer.as_ref().ok());
        let state = match found.filter(to_this) {
            _ if proposal.without.contains(name) => "not waited for".to_owned(),
            None => "has not answered yet".into(),
            Some(Answer { refusal: None, .. }) => "is ready".into(),
            Some(Answer { refusal: Some(reason), .. }) => format!("refuses: {reason}"),
        };
        (name.as_str(), state)
    };
    seen.nodes.iter().map(answer).collect()
}

pub(super) fn json(seen: &Seen, faults: &[String]) -> Value {
    let member = |member: &Member| match &member.state {
        Err(reason) => json!({ "endpoint": member.endpoint, "error": reason }),
        Ok(state) => json!({
            "endpoint": member.endpoint,
            "version": state.version,
            "leader": state.is_leader,
            "database_bytes": state.database_bytes,
            "alarms": state.alarms,
        }),
    };
    let node = |(name, node): &(String, Result<Registration, String>)| match node {
        Err(error) => json!({ "name": name, "error": error }),
        Ok(node) => {
            let serving = node.serving.as_ref();
            let serving = serving.map(|of| json!({ "number": of.number, "since": time(of.stamp), "root": of.root.0 }));
            json!({ "name": name, "serving": serving, "trouble": node.trouble })
        }
    };
    let proposal = seen.proposal.as_ref().map(|proposal| {
        let mut shown = release_json(&proposal.record);
        let answers = answers(seen, proposal).into_iter();
        shown["without"] = json!(proposal.without);
        shown["answers"] = answers.map(|(name, state)| json!({ "node": name, "state": state })).collect();
        shown
    });
    let drained = seen
        .drained
        .all()
        .filter(|one| one.is_drained)
        .map(|one| json!({ "backend": one.backend, "server": one.server, "since": time(one.since), "by": one.by }));
    json!({
        "etcd": seen.members.iter().map(member).collect::<Vec<_>>(),
        "release": seen.current.as_ref().map(release_json),
        "proposal": proposal,
        "leader": seen.leader.as_ref().ok(),
        "nodes": seen.nodes.iter().map(node).collect::<Vec<_>>(),
        "drained": drained.collect::<Vec<_>>(),
        "sealed_with_second_secret": seen.is_of_old_secret,
        "keys_sealed_with_second_secret": seen.of_old_secret.as_ref().ok(),
        "faults": faults,
    })
}
