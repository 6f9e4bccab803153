//! The names of a user and a group → their numbers. Must not know: what they are for.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use thiserror::Error;

/// A user and groups, as the kernel knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// For messages.
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// All groups of the user, `gid` included.
    pub groups: Vec<u32>,
}

/// Why there are no numbers.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unknown {
    #[error("unknown user {0:?} (expected a user of this system, or a number)")]
    User(String),
    #[error("the user {0:?} has no primary group on this system (expected \"group\" beside \"user\")")]
    NoGroup(String),
    #[error("unknown group {0:?} (expected a group of this system, or a number)")]
    Group(String),
    #[error("cannot look up {0:?}: {1}")]
    Failed(String, String),
}

impl Ids {
    /// Looks them up where the system keeps them, which may take a while. `group` is by default the primary group.
    pub fn find(user: &str, group: Option<&str>) -> Result<Self, Unknown> {
        let failed = |name: &str, error: nix::Error| Unknown::Failed(name.to_owned(), error.to_string());
        let number = |name: &str| name.parse::<u32>().ok().filter(|number| *number != NOBODY_AT_ALL);
        let found = match User::from_name(user).map_err(|error| failed(user, error))? {
            // A user whose name is a number comes first.
            None => match number(user) {
                Some(uid) => User::from_uid(Uid::from_raw(uid)).map_err(|error| failed(user, error))?,
                None => return Err(Unknown::User(user.to_owned())),
            },
            found => found,
        };
        let gid = match group {
            Some(group) => match Group::from_name(group).map_err(|error| failed(group, error))? {
                Some(found) => found.gid.as_raw(),
                None => number(group).ok_or_else(|| Unknown::Group(group.to_owned()))?,
            },
            None => found.as_ref().ok_or_else(|| Unknown::NoGroup(user.to_owned()))?.gid.as_raw(),
        };
        let Some(User { name, uid, .. }) = found else {
            // A number that the system has no name for, as in a container.
            let uid = number(user).ok_or_else(|| Unknown::User(user.to_owned()))?;
            return Ok(Self { name: user.to_owned(), uid, gid, groups: vec![gid] });
        };
        let c_name = CString::new(name.as_str()).map_err(|_| Unknown::User(name.clone()))?;
        let groups = getgrouplist(&c_name, Gid::from_raw(gid)).map_err(|error| failed(&name, error))?;
        Ok(Self { name, uid: uid.as_raw(), gid, groups: groups.into_iter().map(Gid::as_raw).collect() })
    }
}

/// Where a number of a user is expected, the kernel reads this as "do not change" (setresuid(2)).
const NOBODY_AT_ALL: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_number_are_the_same_user() {
        let root = Ids::find("root", None).unwrap();
        assert_eq!((root.uid, root.gid, root.name.as_str()), (0, 0, "root"));
        assert!(root.groups.contains(&0));
        assert_eq!(Ids::find("0", None).unwrap(), root);
    }

    #[test]
    fn a_number_without_a_name_needs_a_group() {
        let number = (60_000..65_000).find(|uid| User::from_uid(Uid::from_raw(*uid)).unwrap().is_none()).unwrap();
        let text = number.to_string();
        assert_eq!(Ids::find(&text, None), Err(Unknown::NoGroup(text.clone())));
        let found = Ids::find(&text, Some("0")).unwrap();
        assert_eq!(found, Ids { name: text, uid: number, gid: 0, groups: vec![0] });
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let none = "no-such-name-7f3a";
        assert_eq!(Ids::find(none, None), Err(Unknown::User(none.into())));
        assert_eq!(Ids::find("root", Some(none)), Err(Unknown::Group(none.into())));
        for never in ["4294967295", "-1", ""] {
            assert_eq!(Ids::find(never, Some("0")), Err(Unknown::User(never.into())), "{never:?}");
        }
    }
}
