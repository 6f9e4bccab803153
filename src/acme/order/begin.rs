//! Takes up the order that was under way, or begins another. Must not know: what becomes of it.

use std::borrow::Cow;

use hyper::Uri;
use hyper::http::uri::Scheme;
use instant_acme::{CertificateIdentifier, NewOrder, Order, OrderStatus};

use super::job::{Job, REFUSED, leads_nowhere};
use crate::acme::issued::Id;
use crate::acme::memory;
use crate::acme::memory::of_certificate::{self, OfCertificate};
use crate::acme::settings::Identifier;
use crate::acme::trouble;
use crate::acme::trouble::Trouble;

/// An order for the certificate. Its URL is remembered.
pub(super) async fn order(job: &Job<'_>, kept: &mut OfCertificate) -> Result<Order, Trouble> {
    if let Some(order) = under_way(job, kept).await? {
        return Ok(order);
    }
    job.forget(kept)?;
    let order = fresh(job, kept).await?;
    if !can_be_asked(order.url()) {
        let message = format!("found an order at {:?}, expected an https URL", trouble::short(order.url()));
        return Err(Trouble { status: Some(REFUSED), ..Trouble::new(message) });
    }
    kept.order = Some(of_certificate::Order {
        authority: job.authority.name.to_string(),
        account: job.account.url.clone(),
        url: order.url().to_owned(),
        began: job.clock.now(),
    });
    job.keep(kept)?;
    Ok(order)
}

/// The order that was remembered, if it can still lead to a certificate.
async fn under_way(job: &Job<'_>, kept: &OfCertificate) -> Result<Option<Order>, Trouble> {
    let ours =
        |order: &&of_certificate::Order| *order.authority == *job.authority.name && order.account == job.account.url;
    let remembered = kept.order.as_ref().filter(ours).filter(|order| can_be_asked(&order.url));
    let Some(remembered) = remembered else { return Ok(None) };
    let mut order = match job.account.library.order(remembered.url.clone()).await {
        Ok(order) => order,
        Err(error) => {
            let trouble = Trouble::library(&error, job.http.last());
            // The account has to be made again first.
            let gone = leads_nowhere(&trouble) && !trouble.is("accountDoesNotExist");
            return if gone { Ok(None) } else { Err(trouble) };
        }
    };
    let has_key = || memory::order_key(job.folder, job.wanted).map(|key| key.is_some()).map_err(Trouble::new);
    let usable = match order.state().status {
        OrderStatus::Pending | OrderStatus::Ready => true,
        OrderStatus::Processing | OrderStatus::Valid => has_key()?,
        OrderStatus::Invalid => false,
    };
    if usable {
        tracing::info!(wanted = %job.wanted, authority = %job.authority.name, "order taken up again");
    }
    Ok(usable.then_some(order))
}

/// Whether an order's URL is one. If it were not, every attempt would fail with it, since the order is remembered.
fn can_be_asked(url: &str) -> bool {
    let parsed = url.parse::<Uri>();
    url.len() <= LONGEST_URL
        && parsed.is_ok_and(|url| url.scheme() == Some(&Scheme::HTTPS) && url.authority().is_some())
}

async fn fresh(job: &Job<'_>, kept: &OfCertificate) -> Result<Order, Trouble> {
    let identifiers: Vec<_> = job.wanted.identifiers.iter().map(identifier).collect();
    let replaced = replaced(job, kept);
    let with = |id: Option<&Id>| {
        let mut new = NewOrder::new(&identifiers);
        if let Some(profile) = &job.authority.profile {
            new = new.profile(profile);
        }
        match id {
            Some(id) => new.replaces(CertificateIdentifier {
                authority_key_identifier: Cow::Owned(id.authority_key.clone()),
                serial: Cow::Owned(id.serial.clone()),
            }),
            None => new,
        }
    };
    match ask(job, &with(replaced)).await {
        Err(trouble) if replaced.is_some() && is_about_replacing(&trouble) => ask(job, &with(None)).await,
        result => result,
    }
}

async fn ask(job: &Job<'_>, new: &NewOrder<'_>) -> Result<Order, Trouble> {
    let error = match job.account.library.new_order(new).await {
        Ok(order) => return Ok(order),
        Err(error) => error,
    };
    // The library insists that the answer repeats `replaces`. An authority that has made the order without it has made it.
    match job.http.last() {
        Some(answer) if answer.status == 201 && answer.location.is_some() => {
            let order = job.account.library.order(answer.location.unwrap_or_default()).await;
            order.map_err(|error| Trouble::library(&error, job.http.last()))
        }
        _ => Err(Trouble::library(&error, job.http.last())),
    }
}

/// The certificate that the order replaces (RFC 9773 section 5), where that is known to this authority.
fn replaced<'a>(job: &'a Job<'_>, kept: &OfCertificate) -> Option<&'a Id> {
    let by_this = kept.issued_by.as_deref() == Some(&*job.authority.name);
    let offered = job.account.directory.renewal_info.is_some();
    job.current.filter(|_| by_this && offered)?.id.as_ref()
}

/// Whether an order without `replaces` may be accepted. RFC 9773 section 5 has `alreadyReplaced`; other reasons, such as that
/// the certificate is of another account, have no type of their own.
fn is_about_replacing(trouble: &Trouble) -> bool {
    trouble.status == Some(409)
        || ["alreadyReplaced", "malformed", "unauthorized"].into_iter().any(|kind| trouble.is(kind))
}

fn identifier(identifier: &Identifier) -> instant_acme::Identifier {
    match identifier {
        Identifier::Dns(name) => instant_acme::Identifier::Dns(name.to_string()),
        Identifier::Ip(address) => instant_acme::Identifier::Ip(*address),
    }
}

/// In bytes. RFC 9110 section 4.1 asks everybody to support so many.
const LONGEST_URL: usize = 8000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_remembered_only_if_it_can_be_asked_for_again() {
        assert!(can_be_asked("https://ca.test/order/1") && can_be_asked("https://[::1]:14000/my-order/a?b=c"));
        let long = format!("https://ca.test/{}", "x".repeat(8000));
        for wrong in ["", "/order/1", "order", "http://ca.test/order/1", "https:///x", "https://ca.test/a b", &long] {
            assert!(!can_be_asked(wrong), "{wrong:?}");
        }
    }
}
