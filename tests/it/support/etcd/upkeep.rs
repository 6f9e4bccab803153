//! What an operator does with members while the others serve: defragmentation, compaction, another member in the place of one.

use std::fs;

use serde_json::Value;

use super::super::procfs::eventually;
use super::{Etcd, Host, Member, Version};

impl Etcd {
    /// Gives back what the file of a member has free. Returns the size of the file before and after.
    pub(crate) fn defragment(&self, member: usize) -> (u64, u64) {
        let before = self.size(member);
        let url = self.members[member].url.clone();
        self.ctl_at(&url, &["defrag"], b"").expect("etcdctl defrag");
        (before, self.size(member))
    }

    /// The size of a member's file.
    fn size(&self, member: usize) -> u64 {
        let url = &self.members[member].url;
        let status = eventually("a member's status", || self.ctl_at(url, &["endpoint", "status", "-w", "json"], b""));
        let status: Value = serde_json::from_slice(&status).unwrap();
        status[0]["Status"]["dbSize"].as_u64().unwrap()
    }

    /// Everything that was before is no longer there, on the disks neither.
    pub(crate) fn compact(&self) {
        let revision = self.revision();
        self.ctl(&["compact", &revision.to_string(), "--physical"]);
    }

    /// Removes a member with its data, and adds one with another name and other addresses, which then has its number.
    pub(crate) fn replace(&mut self, member: usize) {
        let others: Vec<String> =
            self.urls().into_iter().enumerate().filter(|(at, _)| *at != member).map(|(_, url)| url).collect();
        let others = others.join(",");
        let gone = self.members[member].name().to_owned();
        eventually(&format!("{gone} is removed"), || {
            let Some(id) = self.listed(&others)?.into_iter().find(|(name, _)| *name == gone).map(|(_, id)| id) else {
                return Some(());
            };
            // Not as long as etcd does not know that the others are well; it may also be done, and not be answered.
            let _ = self.ctl_at(&others, &["member", "remove", &format!("{id:x}")], b"");
            None
        });
        // It ends when it knows that, perhaps.
        let _ = self.members[member].child.as_mut().unwrap().kill();
        self.members[member].child.take().unwrap().wait().unwrap();
        fs::remove_dir_all(&self.members[member].data).unwrap();
        let number = (self.members.len()..).find(|at| !self.folder.path().join(format!("m{at}.log")).exists()).unwrap();
        let host = Host::new();
        let (name, peer) = (format!("m{number}"), format!("http://{}", host.peer));
        let known = self.listed(&others).unwrap().len();
        eventually(&format!("{name} is added"), || {
            let _ = self.ctl_at(&others, &["member", "add", &name, &format!("--peer-urls={peer}")], b"");
            (self.listed(&others)?.len() > known).then_some(())
        });
        let mut cluster: Vec<String> =
            self.members.iter().enumerate().filter(|(at, _)| *at != member).map(|(_, other)| other.entry()).collect();
        cluster.push(format!("{name}={peer}"));
        let mut new = host.member(Version::Debian, number, self.folder.path(), &cluster.join(","), self.pki.as_ref());
        new.program.clone_from(&self.members[member].program);
        new.arguments.push("--initial-cluster-state=existing".to_owned());
        new.start();
        self.members[member] = new;
        self.is_healthy();
    }

    /// The names of the members and their numbers, as these know them; `None` while they do not answer.
    fn listed(&self, urls: &str) -> Option<Vec<(String, u64)>> {
        let answer: Value = serde_json::from_slice(&self.ctl_at(urls, &["member", "list", "-w", "json"], b"")?).ok()?;
        let one =
            |member: &Value| Some((member["name"].as_str().unwrap_or_default().to_owned(), member["ID"].as_u64()?));
        answer["members"].as_array()?.iter().map(one).collect()
    }
}

impl Member {
    fn argument(&self, name: &str) -> &str {
        self.arguments.iter().find_map(|argument| argument.strip_prefix(name)).unwrap()
    }

    fn name(&self) -> &str {
        self.argument("--name=")
    }

    /// As `--initial-cluster` has it.
    fn entry(&self) -> String {
        format!("{}={}", self.name(), self.argument("--initial-advertise-peer-urls="))
    }
}
