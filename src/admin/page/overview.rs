//! The whole page: what is wrong first, then everything else. Must not know: HTTP.

use crate::admin::page::certificates::certificates;
use crate::admin::page::connections::connections;
use crate::admin::page::frame;
use crate::admin::page::html::{Element, Html, classed, el};
use crate::admin::page::listeners::listeners;
use crate::admin::page::ordered::ordered;
use crate::admin::page::parts::{Tone, badge, section};
use crate::admin::page::process::process;
use crate::admin::page::servers::servers;
use crate::admin::page::state::{State, Viewer};
use crate::admin::page::text::count;
use crate::admin::page::trouble::{Level, Trouble};
use crate::admin::page::wanted::Wanted;
use crate::admin::page::wrong::troubles;

/// The page as a document.
pub(in crate::admin) fn overview(state: &State<'_>, wanted: &Wanted, viewer: &Viewer) -> String {
    let mut served = state.certificates();
    served.sort_by_key(|one| one.certificate.chain_not_after);
    let troubles = troubles(state, &served);
    let (title, summary) = summary(&troubles);
    let content = [
        wrong(&troubles),
        listeners(state, wanted, viewer),
        certificates(state, &served, wanted),
        servers(state, wanted, viewer),
        connections(state),
        ordered(state, wanted),
        process(state, viewer),
    ];
    frame::overview(&title, summary, wanted, viewer, content.into_iter().collect())
}

/// What is wrong in a few words: for the window's title, and for the header.
fn summary(troubles: &[Trouble]) -> (String, Html) {
    let of = |level: Level| troubles.iter().filter(|trouble| trouble.level == level).count();
    let counts = [Level::Error, Level::Warning].map(|level| (level, of(level)));
    let counts: Vec<_> = counts.into_iter().filter(|(_, found)| *found > 0).collect();
    if counts.is_empty() {
        return ("All is well".into(), badge(Tone::Good, "all is well").into());
    }
    let words = |(level, found): &(Level, usize)| count(*found, level.word());
    let title = counts.iter().map(words).collect::<Vec<_>>().join(", ");
    let badges = counts.iter().map(|found| badge(tone(found.0), words(found)));
    (title, badges.collect())
}

fn wrong(troubles: &[Trouble]) -> Element {
    let section = section("wrong", "What is wrong");
    if troubles.is_empty() {
        return section.add(
            classed("p", "none")
                .text("Nothing: no certificate expires soon, nothing has failed, is down or was refused."),
        );
    }
    section.add(classed("ul", "troubles").all(troubles.iter().map(trouble)))
}

fn trouble(trouble: &Trouble) -> Element {
    let class = match trouble.level {
        Level::Error => "trouble bad",
        Level::Warning => "trouble doubtful",
        Level::Notice => "trouble plain",
    };
    let title = el("h3").add(badge(tone(trouble.level), trouble.level.word())).text(" ").text(&trouble.title);
    let cases = trouble.cases.iter().map(|case| el("li").text(case));
    let cases = (!trouble.cases.is_empty()).then(|| el("ul").all(cases));
    let more = trouble.count.saturating_sub(trouble.cases.len());
    let more = (more > 0).then(|| classed("span", "faint").text(format!("and {} ", count(more, "other"))));
    let link = trouble
        .link
        .as_ref()
        .map(|to| el("a").with("href", to).with("aria-label", format!("Show: {}", trouble.title)).text("Show"));
    let rest = (more.is_some() || link.is_some()).then(|| el("p").all(more).all(link));
    classed("li", class).add(title).all(cases).all(rest)
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Error => Tone::Bad,
        Level::Warning => Tone::Doubtful,
        Level::Notice => Tone::Plain,
    }
}
