//! The certificates that are ordered from authorities, and the authorities, as tables. Must not know: how they are ordered.

use crate::acme::status::{OfAuthority, OfCertificate, State as Kept};
use crate::admin::page::html::{Element, Html, classed, el};
use crate::admin::page::parts::{Tone, badge, faint, lines, nothing, paged, section, table};
use crate::admin::page::state::State;
use crate::admin::page::text::{count, day, distance, number, short};
use crate::admin::page::wanted::{Table, Wanted};

/// The section of ordered certificates.
pub(super) fn ordered(state: &State<'_>, wanted: &Wanted) -> Element {
    let section = section(Table::Ordered.id(), "Certificates from authorities (ACME)");
    let acme = state.acme;
    if acme.authorities.is_empty() {
        return section.add(classed("p", "none").text("No authority is configured."));
    }
    let mut fitting: Vec<&OfCertificate> = acme.certificates.iter().filter(|one| fits(one, wanted)).collect();
    // Stable: what is in the same state stays in the order of the configuration.
    fitting.sort_by_key(|one| match one.state {
        Kept::Failed => 0,
        Kept::Pending => 1,
        Kept::Renewing => 2,
        Kept::Valid => 3,
    });
    let (shown, pager) = paged(wanted, Table::Ordered, &fitting);
    let section = match shown.is_empty() {
        true => section.add(nothing(wanted, "ordered certificates")),
        false => {
            let columns = &["Names", "State", "Ends", "Next order", "Authority", "Last failure"];
            let caption =
                format!("{} that authorities issue, failed ones at the top", count(fitting.len(), "certificate"));
            section.add(table(caption, columns, shown.iter().map(|one| row(state, one)))).all(pager)
        }
    };
    let columns = &["Authority", "Directory", "Issued", "Failed", "Requests", "Pause"];
    let rows = acme.authorities.iter().map(|one| authority(state, one));
    section.add(table(count(acme.authorities.len(), "authority"), columns, rows))
}

fn fits(one: &OfCertificate, wanted: &Wanted) -> bool {
    wanted.fits([one.state.word(), &*one.wanted.authority])
        || one.wanted.identifiers.iter().any(|name| wanted.fits([&*name.to_string()]))
}

fn row(state: &State<'_>, one: &OfCertificate) -> Vec<Html> {
    let now = state.now.as_second();
    let tone = match one.state {
        Kept::Valid => Tone::Good,
        Kept::Pending | Kept::Renewing => Tone::Plain,
        Kept::Failed => Tone::Bad,
    };
    let names = one.wanted.identifiers.iter().take(SHOWN).map(|name| short(name, LONGEST));
    let more = one.wanted.identifiers.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| faint(format!("and {more} more")).into());
    let ends = one.not_after.map(|end| el("span").add(day(end)).text(" ").add(faint(distance(end, now))));
    let next = one
        .next
        .map(|next| el("span").text(distance(next.at, now)).text(" ").add(faint(format!("({})", next.why.word()))));
    let failure = one.last_failure.as_ref().map(|failure| {
        let failures = format!("{}, {}: ", count(one.failures as usize, "failure"), distance(failure.at, now));
        el("span").add(faint(failures)).text(short(&failure.message, LONGEST_MESSAGE))
    });
    let or_none = |found: Option<Element>| Html::from(found.unwrap_or_else(|| faint("none")));
    vec![
        [lines(names)].into_iter().chain(more).collect(),
        badge(tone, one.state.word()).into(),
        or_none(ends),
        or_none(next),
        lines([short(&one.wanted.authority, LONGEST), one.wanted.key.word().to_owned()]),
        or_none(failure),
    ]
}

fn authority(state: &State<'_>, one: &OfAuthority) -> Vec<Html> {
    let number_of = |result: &str| Html::text(number(one.renewals.get(result).copied().unwrap_or_default()));
    let now = state.now.as_second();
    let pause = one.paused_until.filter(|until| *until > now);
    vec![
        Html::text(&one.authority.name),
        Html::text(short(&one.authority.directory, LONGEST)),
        number_of("issued"),
        number_of("failed"),
        Html::text(number(one.requests)),
        pause.map_or_else(|| faint("none"), |until| el("span").text(distance(until, now))).into(),
    ]
}

/// Names of a certificate that are shown.
const SHOWN: usize = 3;
/// Characters of a name.
const LONGEST: usize = 100;
/// Characters of an authority's answer.
const LONGEST_MESSAGE: usize = 300;
