//! What the clients do, and what they note of it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use latchkey_component::auth::Authority;
use latchkey_component::service::{Issued, Rotation, ServiceError};
use latchkey_component::token::{Limits, TokenId};

use super::{Instance, Issue, LONG, LONG_OVERLAP, SHORT, SHORT_OVERLAP, World, ada};
use crate::replicas::REGIONS;

impl World {
    /// One client, in a region of its own choice each time; an instance for each request.
    pub(super) async fn work(self: Rc<Self>, client: usize) {
        for operation in 0..6 {
            let region = match self.simulation.chance(70) {
                true => client % REGIONS,
                false => self.simulation.below(REGIONS as u64) as usize,
            };
            let instance = self.instance(region, self.scenario.faults);
            let mut ids: Vec<TokenId> = self.known.borrow().issued.keys().copied().collect();
            ids.sort();
            let any = |ids: &[TokenId]| ids[self.simulation.below(ids.len() as u64) as usize];
            match self.simulation.below(10) {
                0..4 => {
                    let description = format!("client {client}, operation {operation}");
                    self.create(&instance, description).await;
                }
                4..7 if !ids.is_empty() => self.rotate(&instance, region, any(&ids)).await,
                7..9 if !ids.is_empty() => self.revoke(&instance, region, any(&ids)).await,
                _ => {}
            }
            self.observe_all(region).await;
            let pause = match self.simulation.below(4) {
                0 => self.simulation.below(1_000),
                1 => self.simulation.below(600_000),
                _ => self.simulation.below(3_600_000),
            };
            self.simulation.sleep(Duration::from_millis(pause)).await;
        }
    }

    pub(super) fn acknowledged(&self, issued: &Issued) {
        let issue = Issue {
            signed: issued.signed.expose().to_owned(),
            description: issued.token.description.as_str().to_owned(),
            expires_at: issued.token.expires_at(),
            ending: None,
            revoking: false,
            retiring: false,
            revoked: None,
            revoked_in: HashSet::new(),
            until: None,
            rotations: 0,
            died_in: HashMap::new(),
            seen_in: HashMap::new(),
        };
        let before = self
            .known
            .borrow_mut()
            .issued
            .insert(issued.token.id, issue);
        if before.is_some() {
            self.violated(format!("{} was created twice", issued.token.id));
        }
    }

    fn begin(&self, description: &str) {
        let mut known = self.known.borrow_mut();
        *known.begun.entry(description.to_owned()).or_default() += 1;
    }

    fn refused(&self, description: String) {
        *self
            .known
            .borrow_mut()
            .refused
            .entry(description)
            .or_default() += 1;
    }

    async fn create(&self, instance: &Instance, description: String) {
        self.begin(&description);
        let life = match self.simulation.chance(30) {
            true => SHORT,
            false => LONG,
        };
        let (parsed, life) = (
            description.parse().unwrap(),
            life.to_string().parse().unwrap(),
        );
        match instance
            .issue(
                &ada(),
                &Authority::default(),
                parsed,
                life,
                Limits::default(),
                None,
            )
            .await
        {
            Ok(issued) => self.acknowledged(&issued),
            Err(ServiceError::Ledger(_)) => self.refused(description),
            Err(ServiceError::Store(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    async fn rotate(&self, instance: &Instance, region: usize, id: TokenId) {
        let overlap = match self.simulation.below(4) {
            0 | 1 => None,
            2 => Some(1 + self.simulation.below(SHORT_OVERLAP)),
            _ => Some(1 + self.simulation.below(LONG_OVERLAP)),
        };
        let description = {
            let mut known = self.known.borrow_mut();
            let issue = known.issued.get_mut(&id).unwrap();
            issue.rotations += 1;
            match overlap {
                Some(_) => issue.retiring = true,
                None => drop(issue.ending.get_or_insert(self.simulation.now())),
            }
            issue.description.clone()
        };
        self.begin(&description);
        let rotation = Rotation {
            lifetime: Some(LONG.to_string().parse().unwrap()),
            overlap: overlap.map(|secs| secs.to_string().parse().unwrap()),
        };
        match instance
            .rotate(&ada(), &Authority::default(), id, rotation)
            .await
        {
            Ok(issued) => {
                let end = Duration::from_secs(issued.token.issued_at + overlap.unwrap_or(0));
                self.acknowledged(&issued);
                let mut known = self.known.borrow_mut();
                let old = known.issued.get_mut(&id).unwrap();
                let end = (end, issued.token.id);
                old.until = Some(old.until.map_or(end, |until| until.min(end)));
                if overlap.is_none() {
                    old.revoked.get_or_insert(self.simulation.now());
                    old.revoked_in.insert(region);
                }
            }
            Err(ServiceError::Ledger(_)) => self.refused(description),
            Err(ServiceError::Store(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) async fn revoke(&self, instance: &Instance, region: usize, id: TokenId) {
        {
            let mut known = self.known.borrow_mut();
            let issue = known.issued.get_mut(&id).unwrap();
            issue.ending.get_or_insert(self.simulation.now());
            issue.revoking = true;
        }
        if instance.revoke(&ada(), id).await.is_ok() {
            let mut known = self.known.borrow_mut();
            let issue = known.issued.get_mut(&id).unwrap();
            issue.revoked.get_or_insert(self.simulation.now());
            issue.revoked_in.insert(region);
        }
    }
}
