//! One order for one certificate, from its beginning to the files that are served. What has been reached is remembered at each
//! step, so that an order that a crash has interrupted is taken up again. Must not know: when certificates are ordered, who
//! waits.

use std::time::Duration;

use instant_acme::{Order, OrderStatus};
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::acme::issued;
use crate::acme::issued::Facts;
use crate::acme::memory;
use crate::acme::memory::of_certificate::OfCertificate;
use crate::acme::trouble::Trouble;
use job::{Job, REFUSED, leads_nowhere};
use poll::poll;

mod authorize;
mod begin;
mod bounds;
mod explain;
pub mod job;
mod key;
mod poll;

/// Orders the certificate and writes it. `kept` is remembered as it changes.
pub async fn run(job: &Job<'_>, kept: &mut OfCertificate) -> Result<Facts, Trouble> {
    let (issued, facts) = match obtain(job, kept).await? {
        // The order was done already: the crash came after the certificate was written, and before that was remembered.
        (_, facts) if job.current.is_some_and(|current| current.der == facts.der) => {
            job.forget(kept)?;
            obtain(job, kept).await?
        }
        fresh => fresh,
    };
    let files = [("tls.crt", issued.chain.as_bytes()), ("tls.key", issued.key.as_bytes())];
    job.folder.replace(&job.wanted.folder(), &files).map_err(|error| Trouble::new(error.to_string()))?;
    Ok(facts)
}

/// What was issued, in PEM.
struct Issued {
    chain: String,
    key: Zeroizing<String>,
}

/// Takes the order up again where an authority has refused several nonces in a row: the library gives up after three, and a
/// busy authority may have forgotten that many.
async fn obtain(job: &Job<'_>, kept: &mut OfCertificate) -> Result<(Issued, Facts), Trouble> {
    let mut left = NONCES;
    loop {
        left -= 1;
        match once(job, kept).await {
            Err(trouble) if trouble.is("badNonce") && left > 0 => {}
            result => return result,
        }
    }
}

async fn once(job: &Job<'_>, kept: &mut OfCertificate) -> Result<(Issued, Facts), Trouble> {
    let mut order = begin::order(job, kept).await?;
    let result = carry_on(job, kept, &mut order).await;
    // What the authority has refused will not be accepted later. All else may go on where it has stopped.
    if let Err(trouble) = &result
        && leads_nowhere(trouble)
    {
        job.forget(kept)?;
    }
    result
}

async fn carry_on(job: &Job<'_>, kept: &mut OfCertificate, order: &mut Order) -> Result<(Issued, Facts), Trouble> {
    // Each step is made once at most, and there are four.
    for _ in 0..STEPS {
        // Each time: every answer may have other ones.
        if let Some(trouble) = bounds::too_many(job, order) {
            return Err(trouble);
        }
        match order.state().status {
            OrderStatus::Pending => authorize::all(job, kept, order).await?,
            OrderStatus::Ready => finalize(job, order).await?,
            OrderStatus::Processing => poll(job, order, OrderStatus::Processing).await?,
            OrderStatus::Valid => return fetch(job, order).await,
            OrderStatus::Invalid => return Err(explain::invalid(job, kept, order).await),
        }
    }
    Err(Trouble {
        status: Some(REFUSED),
        ..Trouble::new("the order goes back from one state to another, expected it to advance")
    })
}

/// Sends the request for the certificate. Its key is in a file before that.
async fn finalize(job: &Job<'_>, order: &mut Order) -> Result<(), Trouble> {
    let pem = match memory::order_key(job.folder, job.wanted).map_err(Trouble::new)? {
        Some(pem) => pem,
        None => {
            let kind = job.wanted.key;
            let made = tokio::task::spawn_blocking(move || key::generate(kind)).await;
            let pem = made.map_err(|_| Trouble::new("no key can be made"))?.map_err(Trouble::new)?;
            memory::keep_order_key(job.folder, job.wanted, &pem).map_err(Trouble::new)?;
            pem
        }
    };
    let request = key::request(&pem, &job.wanted.identifiers).map_err(Trouble::new)?;
    order.finalize_csr(&request).await.map_err(|error| Trouble::library(&error, job.http.last()))
}

/// Downloads the certificate, and judges it.
async fn fetch(job: &Job<'_>, order: &mut Order) -> Result<(Issued, Facts), Trouble> {
    let Some(key) = memory::order_key(job.folder, job.wanted).map_err(Trouble::new)? else {
        let message = "a certificate is issued for this order, but its key is not here";
        return Err(Trouble { status: Some(REFUSED), ..Trouble::new(message) });
    };
    let chain = order.certificate().await.map_err(|error| Trouble::library(&error, job.http.last()))?;
    let Some(chain) = chain else { return Err(Trouble::new("there is no certificate yet")) };
    begun(job, &chain).await;
    let judged = issued::judge((chain.as_bytes(), &key), job.wanted, job.http.roots(), job.clock.now());
    match judged {
        Ok((chain, facts)) => Ok((Issued { chain, key }, facts)),
        Err(reason) => {
            let message = format!("what {} has issued is not used: {reason}", job.authority.name);
            Err(Trouble { status: Some(REFUSED), ..Trouble::new(message) })
        }
    }
}

/// Waits for a certificate that begins in a moment: the authority's clock is a little ahead of ours, or ours is behind.
async fn begun(job: &Job<'_>, chain: &str) {
    let Some(facts) = issued::facts(chain.as_bytes()) else { return };
    let ahead = facts.lifetime.not_before.saturating_sub(job.clock.now());
    if let Ok(ahead @ 1..=CLOCKS_DIFFER) = u64::try_from(ahead) {
        sleep(Duration::from_secs(ahead)).await;
    }
}

/// Seconds by which clocks that are set may differ.
const CLOCKS_DIFFER: u64 = 60;

/// Authorize, finalize, poll, fetch; and once more for an authority that is slow to notice.
const STEPS: usize = 8;

/// An authority that refuses every nonce must not be asked for ever.
const NONCES: u32 = 3;
