//! `probe --grade`: what Mozilla's guidelines and AWS's policies say of what was found. Must not know: how it was found, how
//! it is shown.

use super::findings::Findings;
use super::proof::Proof;
use super::stamp::Stamp;
use report::{Defective, Graded, Report};

mod aws;
mod guideline;
mod judge;
mod mozilla;
pub(super) mod report;
pub(super) mod show;

/// Holds the findings against every guideline.
pub(super) fn grade(found: Findings, stamp: Stamp) -> Report {
    let guidelines =
        mozilla::ALL.iter().map(|one| (one.clone(), one.is_good)).chain(aws::all().map(|one| (one, false)));
    let mut graded = Vec::new();
    let mut meets_good = false;
    for (guideline, is_good) in guidelines {
        let judged = judge::judge(&guideline, &found);
        let met = judged.breaches.is_empty();
        meets_good |= met && is_good;
        graded.push(Graded {
            name: guideline.name.into_owned(),
            source: guideline.source,
            met,
            breaches: judged.breaches,
            remarks: judged.remarks,
        });
    }
    let defective = (1..).zip(&found.certificates).filter(|(_, one)| !one.defects.is_empty());
    let certificates: Vec<_> = defective
        .map(|(number, one)| Defective {
            certificate: number,
            subject: one.subject.clone(),
            defects: one.defects.clone(),
        })
        .collect();
    let is_wrong = found.signatures.iter().any(|one| one.result == Proof::Wrong);
    let good = meets_good && certificates.is_empty() && !found.certificates.is_empty() && !is_wrong;
    Report { stamp, good, guidelines: graded, certificates, found }
}
