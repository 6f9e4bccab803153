//! The http-01 challenges that are pending: token → key authorization. Must not know: HTTP, who orders certificates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The pending challenges, shared by those who order certificates and those who answer; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Arc<Mutex<HashMap<String, String>>>);

impl Tokens {
    /// From now on, this token is answered with `authorization` (RFC 8555 section 8.1). `false` if too many are pending
    /// already.
    pub fn put(&self, token: &str, authorization: String) -> bool {
        let mut pending = self.pending();
        let has_room = pending.len() < MOST || pending.contains_key(token);
        if has_room {
            pending.insert(token.to_owned(), authorization);
        }
        has_room
    }

    /// This token is no longer answered.
    pub fn remove(&self, token: &str) {
        self.pending().remove(token);
    }

    /// The key authorization, if a challenge with this token is pending.
    pub fn get(&self, token: &str) -> Option<String> {
        self.pending().get(token).cloned()
    }

    /// The table is valid even if a thread panicked while it held the lock.
    fn pending(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An order has at most a hundred names with public authorities, and each authority has one order at a time.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_answered_while_it_is_pending_and_there_is_a_limit() {
        let tokens = Tokens::default();
        assert_eq!(tokens.get("t"), None);
        for number in 0..MOST {
            assert!(tokens.put(&format!("t{number}"), format!("t{number}.key")));
        }
        assert!(!tokens.put("more", "more.key".into()));
        assert!(tokens.clone().put("t1", "t1.other".into()), "one that is pending already");
        assert_eq!(tokens.get("t1").as_deref(), Some("t1.other"));
        tokens.remove("t1");
        assert_eq!((tokens.get("t1"), tokens.get("more")), (None, None));
        assert!(tokens.put("more", "more.key".into()));
    }
}
