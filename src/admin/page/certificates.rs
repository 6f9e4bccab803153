//! The certificates that are served, as a table; the one that ends first is at the top. Must not know: which client gets
//! which.

use crate::admin::page::html::{Element, Html, classed, el};
use crate::admin::page::parts::{Tone, badge, faint, lines, nothing, paged, section, table};
use crate::admin::page::state::{Served, Standing, State};
use crate::admin::page::text::{count, day, distance, number, path, short};
use crate::admin::page::wanted::{Table, Wanted};
use crate::tls::certificate::certified::algorithm::KeyType;

/// The section of certificates. `served` are all of them, the one that ends first at the beginning.
pub(super) fn certificates(state: &State<'_>, served: &[Served<'_>], wanted: &Wanted) -> Element {
    let fitting: Vec<&Served<'_>> = served.iter().filter(|one| fits(one, wanted)).collect();
    let (shown, pager) = paged(wanted, Table::Certificates, &fitting);
    let section = section(Table::Certificates.id(), "Certificates");
    if shown.is_empty() {
        return section.add(nothing(wanted, "certificates"));
    }
    let rows = shown.iter().map(|one| row(state, one, wanted));
    let columns = &["Names", "State", "Ends", "Key", "Served by", "File"];
    let caption = format!("{}, the one that ends first at the top", count(fitting.len(), "certificate"));
    section.add(table(caption, columns, rows)).all(pager)
}

fn fits(one: &Served<'_>, wanted: &Wanted) -> bool {
    if wanted.filter.is_empty() {
        return true;
    }
    let certificate = one.certificate;
    let own = [&*certificate.label, one.standing.words(), &*certificate.serial];
    wanted.fits(own.into_iter().chain(one.by.iter().copied()))
        || certificate.names.iter().any(|name| wanted.fits([&*name.to_string()]))
        || certificate.addresses.iter().any(|address| wanted.fits([&*address.to_string()]))
}

fn row(state: &State<'_>, one: &Served<'_>, wanted: &Wanted) -> Vec<Html> {
    let certificate = one.certificate;
    let tone = match one.standing {
        Standing::Expired => Tone::Bad,
        Standing::NotYet | Standing::Soon => Tone::Doubtful,
        Standing::Valid => Tone::Good,
    };
    let end = certificate.chain_not_after;
    // The others have the size in their names.
    let bits = (certificate.key_type == KeyType::Rsa).then(|| format!(" {}", certificate.key_bits));
    let key = format!("{}{}", certificate.key_type, bits.unwrap_or_default());
    let file = classed("span", "path").with("title", short(&certificate.label, LONGEST)).text(path(&certificate.label));
    let first = certificate.chain_ends_first.as_ref().map(|subject| {
        // Its own end would be of no use: clients refuse the chain.
        faint(format!("with {} of its chain", short(subject, LONGEST)))
    });
    let ends = [el("span").add(day(end)).text(" ").add(faint(distance(end, state.now.as_second())))];
    vec![
        names(one, wanted),
        badge(tone, one.standing.words()).into(),
        ends.into_iter().chain(first).collect(),
        Html::text(key),
        lines(one.by.iter().take(SHOWN)),
        file.into(),
    ]
}

/// The first few names; those that fit the filter come before others.
fn names(one: &Served<'_>, wanted: &Wanted) -> Html {
    let addresses = one.certificate.addresses.iter().map(ToString::to_string);
    let mut names: Vec<String> = one.certificate.names.iter().map(ToString::to_string).chain(addresses).collect();
    if !wanted.filter.is_empty() {
        names.sort_by_key(|name| !wanted.fits([&**name]));
    }
    let more = names.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| faint(format!("and {} more", number(more as u64))));
    let shown = lines(names.iter().take(SHOWN).map(|name| short(name, LONGEST)));
    [shown].into_iter().chain(more.map(Html::from)).collect()
}

/// Names of a certificate, and listeners that serve it, that are shown.
const SHOWN: usize = 3;
/// Characters of a name. The name of a host has at most 253.
const LONGEST: usize = 100;
