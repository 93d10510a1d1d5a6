//! A primary with a synchronous standby, of which the primary is lost under load: nothing acknowledged may be.
//!
//! `LATCHKEY_FAILOVERS=10` has it done ten times, and printed how long each took.

use std::time::{Duration, Instant};

use crate::load::{self, Load, Told};
use crate::postgres_server::{Network, Postgres, launch, url};
use crate::server::{PASSWORD, Server};

/// Two hosts and two servers, each reached over a network of its own, with 16 clients of four users at work.
struct Cluster {
    primary: Postgres,
    standby: Postgres,
    networks: [Network; 2],
    hosts: [Server; 2],
    loads: Vec<(String, Load)>,
}

impl Cluster {
    fn start() -> Option<Self> {
        let settings = ["synchronous_standby_names=standby", "synchronous_commit=on"];
        let primary = Postgres::start(&settings)?;
        let standby = primary.standby();
        let networks = [Network::to(primary.port), Network::to(standby.port)];
        let url = format!(
            "{}?target_session_attrs=read-write",
            url(&[networks[0].port, networks[1].port])
        );
        let hosts = [Server::start(launch(&url)), Server::start(launch(&url))];
        let urls = [hosts[0].url.as_str(), &hosts[1].url];
        let load = |number| {
            let name = format!("user-{number}");
            let load = Load::start(&urls, &name, 2, number, true);
            (name, load)
        };
        let loads = (0..4).map(load).collect();
        Some(Self {
            primary,
            standby,
            networks,
            hosts,
            loads,
        })
    }

    /// Waits until each user was told of so many more changes.
    fn work(&self, changes: usize) {
        for (_, load) in &self.loads {
            load.wait_for(load.acknowledged() + changes);
        }
    }

    /// Has `lose` take the primary away, and the standby take its place. Holds what the clients were told against what is there.
    fn fail_over(mut self, lose: impl FnOnce(&mut Self)) {
        self.work(20);
        lose(&mut self);
        for (_, load) in &self.loads {
            load.wait_for_unavailable(1);
        }
        self.standby.sql("SELECT pg_promote()");
        let promoted = Instant::now();
        // On both hosts.
        for host in &self.hosts {
            while host.named("user-9", PASSWORD).list().status != 404 {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.work(1);
        let back = promoted.elapsed();
        self.work(20);
        let (mut created, mut deleted, mut unavailable) = (0, 0, 0);
        for (name, load) in std::mem::take(&mut self.loads) {
            let told: Told = load.stop();
            for host in &self.hosts {
                told.check(&load::list(&host.url, &name));
            }
            created += told.created.len();
            deleted += told.deleted.len();
            unavailable += told.unavailable;
        }
        if std::env::var_os("LATCHKEY_FAILOVERS").is_some() {
            eprintln!(
                "back after {back:.1?}; {created} created and {deleted} deleted were acknowledged, none lost, doubled or back; {unavailable} answers 503"
            );
        }
    }
}

fn rounds() -> usize {
    let rounds = std::env::var("LATCHKEY_FAILOVERS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

#[test]
fn a_primary_that_dies_takes_nothing_with_it() {
    for _ in 0..rounds() {
        let Some(cluster) = Cluster::start() else {
            return;
        };
        cluster.fail_over(|cluster| cluster.primary.kill());
    }
}

#[test]
fn a_primary_that_falls_silent_takes_nothing_with_it() {
    for _ in 0..rounds() {
        let Some(cluster) = Cluster::start() else {
            return;
        };
        cluster.fail_over(|cluster| cluster.networks[0].be_silent(true));
    }
}
