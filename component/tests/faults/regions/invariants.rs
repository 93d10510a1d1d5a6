//! What must hold: at any time in the region that is looked at, and in all of them once all news has arrived.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use latchkey_component::service::ServiceError;
use latchkey_component::token::TokenId;

use super::{World, ada};
use crate::replicas::{Faults, LONGEST_WAY, REGIONS};

impl World {
    /// Verifies all tokens in a region: what has died there never lives again.
    pub(super) async fn observe_all(self: &Rc<Self>, region: usize) -> HashSet<TokenId> {
        let mut all_live = HashSet::new();
        let mut ids: Vec<TokenId> = self.known.borrow().issued.keys().copied().collect();
        ids.sort();
        let instance = self.instance(region, Faults::default());
        for id in ids {
            let (signed, was_revoked_here, revoked) = {
                let known = self.known.borrow();
                let issue = &known.issued[&id];
                let here = issue.revoked_in.contains(&region);
                (issue.signed.clone(), here, issue.revoked)
            };
            let asked = self.simulation.now();
            let live = instance.verify(&signed).await.unwrap().is_some();
            let mut known = self.known.borrow_mut();
            let issue = known.issued.get_mut(&id).unwrap();
            let news = revoked.is_some_and(|at| at + LONGEST_WAY < asked);
            // An earlier question may be answered later.
            let was_before =
                |seen: &HashMap<usize, Duration>| seen.get(&region).is_some_and(|at| *at < asked);
            let now = self.simulation.now();
            let violation = match live {
                true if was_revoked_here => Some("was revoked in this region and lives"),
                true if news => Some("was revoked long ago and lives"),
                // Of rotations that cross, the later write may put off the end until the next change.
                true if was_before(&issue.died_in) && issue.rotations < 2 => {
                    Some("has died and lives again")
                }
                true => {
                    issue.seen_in.entry(region).or_insert(now);
                    all_live.insert(id);
                    None
                }
                false => {
                    if was_before(&issue.seen_in) {
                        issue.died_in.entry(region).or_insert(now);
                    }
                    None
                }
            };
            if let Some(violation) = violation {
                let what = format!("{:?} {violation}: region {region}", issue.description);
                known.violation.get_or_insert(what);
            }
        }
        all_live
    }

    /// What must hold in every region once all news has arrived.
    pub(super) async fn check(self: &Rc<Self>) {
        for region in 0..REGIONS {
            let live = self.observe_all(region).await;
            let instance = self.instance(region, Faults::default());
            let list = match instance.list(&ada()).await {
                Ok(list) => list.tokens,
                Err(ServiceError::NoTokens) => Vec::new(),
                Err(error) => panic!("{error}"),
            };
            let listed: Vec<_> = (list.iter())
                .map(|status| (status.token.id, status.token.description.as_str()))
                .collect();
            let violations = self.violations(self.replicas.now(region), &live, &listed);
            for violation in violations {
                self.violated(format!("region {region}: {violation}"));
            }
        }
    }

    fn violations(
        &self,
        now: Duration,
        live: &HashSet<TokenId>,
        listed: &[(TokenId, &str)],
    ) -> Vec<String> {
        let known = self.known.borrow();
        let ids: HashSet<TokenId> = listed.iter().map(|(id, _)| *id).collect();
        let mut violations = Vec::new();
        if ids.len() != listed.len() {
            violations.push("an id is listed twice".to_owned());
        }
        for (id, issue) in &known.issued {
            let (lives, is_listed) = (live.contains(id), ids.contains(id));
            let has_expired = issue.expires_at <= now.as_secs();
            let is_forgotten = issue.expires_at + self.scenario.retention < now.as_secs();
            let was_left_alone = issue.ending.is_none() && !issue.retiring;
            let is_over = issue.until.is_some_and(|(until, successor)| {
                // Of two crossing rotations, the earlier end is known from the record of its successor.
                let is_known = issue.rotations < 2 || known.issued[&successor].ending.is_none();
                until <= now && is_known
            });
            for (is_violated, what) in [
                (was_left_alone && !has_expired && !lives, "is dead"),
                (was_left_alone && !is_forgotten && !is_listed, "is lost"),
                (
                    issue.revoked.is_some() && is_listed,
                    "was revoked and is listed",
                ),
                (issue.revoked.is_some() && lives, "was revoked and lives"),
                (is_over && (lives || is_listed), "outlives its rotation"),
            ] {
                if is_violated {
                    violations.push(format!("{id} {:?} {what}", issue.description));
                }
            }
        }
        for (description, begun) in &known.begun {
            let of_it: Vec<_> = (known.issued.values())
                .filter(|issue| issue.description == *description)
                .collect();
            let here = listed.iter().filter(|(_, of)| of == description);
            let unknown = here
                .clone()
                .filter(|(id, _)| !known.issued.contains_key(id));
            let (here, unknown) = (here.count(), unknown.count());
            // Each rotation of the same token, but one, may have crossed another.
            let crossing: usize = of_it
                .iter()
                .map(|issue| issue.rotations.saturating_sub(1))
                .sum();
            let overlapping = of_it.iter().filter(|issue| {
                let is_over = issue.until.is_some_and(|(until, _)| until <= now);
                issue.retiring && !is_over
            });
            let allowed = 1 + crossing + overlapping.count();
            let refused = known.refused.get(description).copied().unwrap_or_default();
            let lasts = of_it.iter().any(|issue| issue.expires_at > now.as_secs());
            let was_revoked = of_it.iter().any(|issue| issue.revoking);
            for (is_violated, what) in [
                (here > allowed, "is doubled"),
                (
                    of_it.len() + refused + unknown > *begun,
                    "was refused and is listed",
                ),
                (
                    lasts && !was_revoked && here == 0,
                    "was only rotated, and is gone",
                ),
            ] {
                if is_violated {
                    violations.push(format!("{description:?} {what}"));
                }
            }
        }
        violations
    }
}
