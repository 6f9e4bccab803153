//! Session ticket keys that a fleet shares: a ring, of which the last key but one seals, so that the newest reaches every
//! node before any node uses it. Pure.
//!
//! Must not know: how tickets are sealed, who makes the keys, how they reach nodes.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// The keys, as they are put into the store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Milliseconds since 1970, and at least one more than in every ring that its maker could see: the later one is right.
    pub stamp: u64,
    /// The oldest first.
    pub keys: Vec<Key>,
}

/// One key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// 80 bytes in base64, as in a file of `ticket_keys`.
    pub secret: String,
    /// Milliseconds since 1970.
    pub made: u64,
}

impl Ring {
    /// Whether a new key is due. Keys are made in pairs of time: the newest waits for one rotation, and seals for one.
    pub fn is_due(&self, now: u64) -> bool {
        // A key from the future means that a clock was set back: it would be used for too long.
        self.keys.last().is_none_or(|last| now.saturating_sub(last.made) >= ROTATION || last.made > now + SKEW)
    }

    /// The ring with one more key, without those that no valid ticket can need.
    pub fn turned(before: Option<&Self>, secret: String, now: u64) -> Self {
        let mut keys = before.map_or_else(Vec::new, |before| before.keys.clone());
        keys.push(Key { secret, made: now });
        // A key seals from when the next one is made until the one after that is made.
        let ended = |index: usize| keys.get(index + 2).is_some_and(|next| now.saturating_sub(next.made) > LIFETIME);
        let useless = (0..keys.len()).take_while(|index| ended(*index)).count();
        let most = keys.len().saturating_sub(MOST_KEYS);
        keys.drain(..useless.max(most));
        Self { stamp: before.map_or(0, |before| before.stamp + 1).max(now), keys }
    }

    /// As a file of `ticket_keys`, with what else there is in comments.
    pub fn as_file(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(format!("{STAMP}{}\n", self.stamp));
        for key in &self.keys {
            text.extend([MADE, &key.made.to_string(), "\n", &key.secret, "\n"]);
        }
        text
    }

    /// The reverse; `None` where a file is not one.
    pub fn of_file(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let stamp = lines.next()?.strip_prefix(STAMP)?.parse().ok()?;
        let mut keys = Vec::new();
        while let Some(line) = lines.next() {
            let made = line.strip_prefix(MADE)?.parse().ok()?;
            keys.push(Key { secret: lines.next()?.to_owned(), made });
        }
        Some(Self { stamp, keys })
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets must not reach a log.
        write!(f, "Ring({} keys, {})", self.keys.len(), self.stamp)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key(made {})", self.made)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Before the stamp, and before the time when a key was made.
const STAMP: &str = "# stamp ";
const MADE: &str = "# made ";

/// How often a key is made, in milliseconds.
const ROTATION: u64 = 12 * 3600 * 1000;

/// The longest time for which a ticket is valid (RFC 8446 section 4.6.1), in milliseconds.
const LIFETIME: u64 = 7 * 24 * 3600 * 1000;

/// How much the clocks of nodes may differ, in milliseconds.
const SKEW: u64 = 60_000;

/// In case a clock jumps again and again.
const MOST_KEYS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    /// The one that seals.
    fn sealing(ring: &Ring) -> &Key {
        &ring.keys[ring.keys.len().saturating_sub(2)]
    }

    #[test]
    fn a_key_that_seals_was_known_for_one_rotation_and_opens_until_its_last_ticket_has_expired() {
        let mut ring: Option<Ring> = None;
        let (mut rings, mut sealed) = (Vec::new(), Vec::new());
        for now in (0..60 * ROTATION).step_by(usize::try_from(ROTATION / 4).unwrap()) {
            if ring.as_ref().is_none_or(|ring| ring.is_due(now)) {
                ring = Some(Ring::turned(ring.as_ref(), format!("{now}"), now));
                rings.push(ring.clone().unwrap());
            }
            let ring = ring.as_ref().unwrap();
            sealed.push((now, sealing(ring).clone()));
            let needed = sealed.iter().filter(|(then, _)| now - then <= LIFETIME);
            assert!(needed.into_iter().all(|(_, key)| ring.keys.contains(key)), "at {now}: {ring:?}");
        }
        assert_eq!(rings.len(), 60);
        for pair in rings.windows(2) {
            assert!(pair[0].keys.contains(sealing(&pair[1])), "{pair:?}");
            assert!(pair[0].stamp < pair[1].stamp && pair[1].keys.len() <= MOST_KEYS, "{pair:?}");
        }
    }

    #[test]
    fn a_clock_that_jumps_makes_neither_one_key_for_ever_nor_keys_without_end() {
        let ahead = Ring::turned(None, "a".into(), 90 * ROTATION);
        assert!(ahead.is_due(0) && !ahead.is_due(90 * ROTATION - SKEW));
        let mut ring = ahead;
        for round in 0..100 {
            ring = Ring::turned(Some(&ring), format!("{round}"), 0);
        }
        assert_eq!(ring.keys.len(), MOST_KEYS);
        assert!(ring.stamp > 90 * ROTATION);
    }

    #[test]
    fn a_file_of_it_is_one_of_ticket_keys_and_leads_back() {
        let secret = || crate::tls::tickets::Secret::new().unwrap().to_base64();
        let ring = (0..5)
            .fold(Ring::turned(None, secret(), 1), |ring, at| Ring::turned(Some(&ring), secret(), 2 * at * ROTATION));
        let text = ring.as_file();
        assert_eq!(Ring::of_file(&text).as_ref(), Some(&ring));
        assert_eq!(crate::tls::tickets::Secret::parse_all(&text).unwrap().len(), ring.keys.len());
        let parts = (0..text.len()).filter_map(|end| Ring::of_file(&text[..end]));
        assert!(parts.into_iter().all(|part| part.keys.len() <= ring.keys.len()));
        assert_eq!(Ring::of_file("c2VjcmV0\n"), None);
    }
}
