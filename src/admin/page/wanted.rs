//! The query of a page → what is wanted of it: a filter, and which pages of its tables. Must not know: what is shown.

use std::fmt::Write;

use crate::admin::page::form::{encoded, pairs};

/// What is wanted of the page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::admin) struct Wanted {
    /// In lower case; empty where everything is wanted.
    pub(super) filter: String,
    /// The number of the page of each table, from 0.
    pages: [usize; Table::ALL.len()],
}

/// A table that may have several pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Listeners,
    Certificates,
    Servers,
    Ordered,
}

impl Table {
    const ALL: [Self; 4] = [Self::Listeners, Self::Certificates, Self::Servers, Self::Ordered];

    /// Its section's id, and its name in a query.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Listeners => "listeners",
            Self::Certificates => "certificates",
            Self::Servers => "backends",
            Self::Ordered => "acme",
        }
    }

    /// Rows of a page.
    pub(super) fn rows(self) -> usize {
        match self {
            Self::Certificates | Self::Servers => 50,
            Self::Listeners | Self::Ordered => 25,
        }
    }
}

impl Wanted {
    /// What is unknown or malformed is left out: a page is shown in any case.
    pub(in crate::admin) fn read(query: Option<&str>) -> Self {
        let mut wanted = Self::default();
        for (key, value) in pairs(query.unwrap_or_default().as_bytes()) {
            if *key == *FILTER {
                wanted.filter = value.trim().chars().take(LONGEST).collect::<String>().to_lowercase();
            }
            for (table, page) in Table::ALL.into_iter().zip(&mut wanted.pages) {
                if *key == *table.id() {
                    *page = value.parse::<usize>().unwrap_or(1).saturating_sub(1);
                }
            }
        }
        wanted
    }

    /// Which page of that table is wanted, from 0.
    pub(super) fn page(&self, table: Table) -> usize {
        let of = Table::ALL.into_iter().zip(self.pages).find(|(known, _)| *known == table);
        of.map_or(0, |(_, page)| page)
    }

    /// The address of the same page with another page of that table, from 0.
    pub(super) fn turned(&self, table: Table, to: usize) -> String {
        let mut address = String::from("/");
        let mut separator = '?';
        let mut add = |key: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = write!(address, "{separator}{key}={}", encoded(value));
            separator = '&';
        };
        if !self.filter.is_empty() {
            add(FILTER, &self.filter);
        }
        for (known, page) in Table::ALL.into_iter().zip(self.pages) {
            let page = if known == table { to } else { page };
            if page > 0 {
                add(known.id(), &(page + 1).to_string());
            }
        }
        let _ = write!(address, "#{}", table.id());
        address
    }

    /// Whether something fits the filter, of which this is shown.
    pub(super) fn fits<'t>(&self, shown: impl IntoIterator<Item = &'t str>) -> bool {
        // Nearly everything that is shown is in lower case already, and then nothing is copied.
        let has = |text: &str| {
            text.contains(&*self.filter)
                || text.bytes().any(|byte| !byte.is_ascii() || byte.is_ascii_uppercase())
                    && text.to_lowercase().contains(&*self.filter)
        };
        self.filter.is_empty() || shown.into_iter().any(has)
    }
}

/// The page that shows what has this in it.
pub(super) fn filtered(by: &str, table: Table) -> String {
    Wanted { filter: by.to_lowercase(), ..Wanted::default() }.turned(table, 0)
}

/// The filter's name in a query.
pub(super) const FILTER: &str = "q";
/// Characters of a filter.
pub(super) const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_read_and_written() {
        let wanted = Wanted::read(Some("q=+A%26b+&certificates=3&x&acme=-1&backends=1"));
        assert_eq!((wanted.filter.as_str(), wanted.page(Table::Certificates)), ("a&b", 2));
        assert_eq!([Table::Listeners, Table::Servers, Table::Ordered].map(|table| wanted.page(table)), [0; 3]);
        let turned = wanted.turned(Table::Servers, 1);
        assert_eq!(turned, "/?q=a%26b&certificates=3&backends=2#backends");
        let query = turned.split_once('?').unwrap().1.split('#').next();
        assert_eq!(Wanted::read(query).page(Table::Servers), 1);
        assert_eq!(filtered("Expired", Table::Certificates), "/?q=expired#certificates");
        assert_eq!(Wanted::read(None), Wanted::default());
    }

    #[test]
    fn a_filter_is_found_in_any_case_and_without_one_everything_fits() {
        let wanted = Wanted::read(Some("q=LDAP"));
        assert!(
            wanted.fits(["x", "/certs/Ldap.crt"]) && wanted.fits(["ldap"]) && !wanted.fits(["x"]) && !wanted.fits([])
        );
        assert!(Wanted::default().fits([]));
    }
}
