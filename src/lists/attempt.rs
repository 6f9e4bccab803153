//! One attempt to get one list: asks each of its addresses, best first, and proves what comes. Must not know: when it is time,
//! where lists are kept.

use std::sync::Arc;

use crate::lists::authorities;
use crate::lists::fetch::{Answer, Mark, fetch};
use crate::lists::kept;
use crate::lists::kept::Proved;
use crate::lists::settings::Settings;
use crate::lists::targets::Target;
use crate::lists::trouble::Trouble;
use crate::lists::url::Url;
use crate::tls::trust::lists::prove::Facts;

/// Everything that an attempt needs.
pub struct Attempt {
    /// How lists are fetched.
    pub settings: Arc<Settings>,
    /// What is asked for.
    pub target: Target,
    /// What the server called the list that is kept.
    pub mark: Mark,
    /// What the list that is kept says of itself.
    pub kept: Option<Facts>,
    /// Seconds since 1970.
    pub now: i64,
}

/// What came of it.
pub enum Brought {
    /// A list that takes the place of the one that is kept, and what the server calls it.
    List(Box<Proved>, Mark),
    /// It is the list that is kept; and what the server calls it, if it has sent it again.
    Same(Option<Mark>),
}

impl Attempt {
    /// Makes it.
    pub async fn make(self) -> Result<Brought, Trouble> {
        let mut troubles: Vec<Trouble> = Vec::new();
        for (index, url) in self.target.urls.iter().enumerate() {
            match self.ask(url, index == 0).await {
                Ok(brought) => return Ok(brought),
                Err(trouble) => troubles.push(trouble),
            }
        }
        let retry_after = troubles.iter().filter_map(|trouble| trouble.retry_after).min();
        let messages: Vec<_> = troubles.into_iter().map(|trouble| trouble.message).collect();
        Err(Trouble { message: messages.join("; "), retry_after })
    }

    /// Another server can mean something else by the same mark: only the first one is asked with it.
    async fn ask(&self, url: &Arc<Url>, is_first: bool) -> Result<Brought, Trouble> {
        let none = Mark::default();
        let (bytes, mark) = match fetch(&self.settings, url, if is_first { &self.mark } else { &none }).await? {
            Answer::Unchanged => return Ok(Brought::Same(None)),
            Answer::Sent(bytes, mark) => (bytes, if is_first { mark } else { none }),
        };
        let ca = authorities::read(&self.target.ca).map_err(Trouble::new)?;
        let proved = kept::read(&bytes, &ca).map_err(Trouble::new)?;
        if self.kept.as_ref() == Some(&proved.facts) {
            return Ok(Brought::Same(Some(mark)));
        }
        kept::may_replace(&proved.facts, self.kept.as_ref(), self.now).map_err(Trouble::new)?;
        Ok(Brought::List(Box::new(proved), mark))
    }
}
