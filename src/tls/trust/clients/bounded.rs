//! Session tickets that are valid no longer than the certificates of their session. Must not know: how tickets are
//! encrypted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::server::ProducesTickets;

use crate::tls::tickets::Clock;
use crate::tls::trust::clients::Session;

/// Tickets that contain the time at which they end.
#[derive(Debug)]
pub struct Bounded {
    pub tickets: Arc<dyn ProducesTickets>,
    pub session: Arc<Session>,
    pub clock: Clock,
}

impl ProducesTickets for Bounded {
    fn enabled(&self) -> bool {
        self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let good_until = self.session.good_until();
        self.tickets.encrypt(&[&good_until.to_be_bytes()[..], plain].concat())
    }

    fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let opened = self.tickets.decrypt(sealed)?;
        let (good_until, plain) = opened.split_first_chunk::<8>()?;
        let good_until = i64::from_be_bytes(*good_until);
        // A resumed session sends no certificate, so its next ticket ends when this one does.
        self.session.good_until.store(good_until, Ordering::Relaxed);
        (good_until >= (self.clock)()).then(|| plain.to_vec())
    }
}
