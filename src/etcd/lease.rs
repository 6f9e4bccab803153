//! Leases: granted, renewed, revoked. Must not know: what was put with them.

use std::time::Duration;

use hyper::body::Bytes;

use super::answer::{self, Answered};
use super::call::{Call, Fault};
use super::client::Etcd;
use super::exchange::SMALL;
use super::message::{GrantRequest, LeaseRequest, LeaseResponse, PlainResponse};
use super::trouble::Trouble;
use super::value::Int;
use crate::fleet::store::Lease;

impl Etcd {
    /// A lease for this time. If the answer is lost, it ends by itself.
    pub async fn grant(&self, time: Duration) -> Result<Lease, Trouble> {
        let seconds = Int(i64::try_from(time.as_secs()).unwrap_or(i64::MAX).max(1));
        let call = self.about_lease("/v3/lease/grant", "grant a lease");
        let answer: LeaseResponse = self.0.call(call, &GrantRequest { seconds }).await?;
        Ok(answer.lease.0)
    }

    /// Renews it once. After a [`Trouble::Restart`] it is renewed, and what was read before may not be true.
    pub async fn keep(&self, lease: Lease) -> Result<(), Trouble> {
        let about = self.about_lease("/v3/lease/keepalive", "renew the lease");
        // Another member must have its chance before the lease ends.
        let call = Call { is_streamed: true, limit: about.limit.min(RENEWAL), ..about };
        let before = self.0.history.revision();
        let request = self.0.written(&LeaseRequest { lease: Int(lease) })?;
        let read = |body: Bytes| answer::streamed::<LeaseResponse>(&body);
        let (member, answer) = self.0.ask(call, request, read).await?;
        let other = |why: String| Trouble::Restart(self.0.words(member, call.what, &why));
        self.0.history.cluster(answer.header()).map_err(other)?;
        if answer.seconds.0 <= 0 {
            return Err(Trouble::LeaseEnded);
        }
        let found = answer.header.revision.0;
        if found < before {
            let why = format!("found the revision {found}, expected at least {before}: it is behind, or was restored");
            return Err(other(why));
        }
        Ok(())
    }

    /// Ends it: what was put with it goes.
    pub async fn revoke(&self, lease: Lease) -> Result<(), Trouble> {
        let call = self.about_lease("/v3/lease/revoke", "revoke the lease");
        match self.0.call::<PlainResponse>(call, &LeaseRequest { lease: Int(lease) }).await {
            Ok(_) | Err(Fault::LeaseEnded) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    fn about_lease(&self, path: &'static str, what: &'static str) -> Call<'static> {
        Call { path, what, may_repeat: true, is_streamed: false, limit: self.0.settings.timeout, most: SMALL }
    }
}

/// For a renewal at one member.
const RENEWAL: Duration = Duration::from_secs(2);
