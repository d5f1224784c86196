//! A configuration while its settings arrive: lists whose items are keys of their own are put together here.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{Config, Loaded, Mechanism, MemoryLimit, load::Layer};

/// The configuration so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The part that single keys set; its lists hold what counts when no key adds to them.
    pub(super) config: Config,
    listeners: Cleared<BTreeMap<String, SocketAddr>>,
    loopback_users: Cleared<BTreeMap<String, bool>>,
    auth_mechanisms: BTreeMap<u16, Mechanism>,
    management_origins: Cleared<BTreeMap<String, String>>,
    /// The memory limit in bytes, which wins over a relative one wherever it stands (RabbitMQ's rule).
    memory_limit: Option<u64>,
    warnings: Vec<String>,
}

/// A list that `= none` empties. Within one layer `none` wins wherever it stands (RabbitMQ's rule); a higher layer may
/// add again.
#[derive(Debug, Default)]
struct Cleared<T> {
    items: T,
    by: Option<Layer>,
}

impl<T: Default> Cleared<T> {
    fn clear(&mut self, layer: Layer) {
        self.items = T::default();
        self.by = Some(layer);
    }

    fn items_for(&mut self, layer: Layer) -> Option<&mut T> {
        (self.by != Some(layer)).then_some(&mut self.items)
    }
}

impl Draft {
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    pub(super) fn add_listener(&mut self, name: &str, address: SocketAddr, layer: Layer) {
        if let Some(listeners) = self.listeners.items_for(layer) {
            listeners.insert(name.to_owned(), address);
        }
    }

    pub(super) fn clear_listeners(&mut self, layer: Layer) {
        self.listeners.clear(layer);
    }

    pub(super) fn set_loopback_user(&mut self, name: &str, only_loopback: bool, layer: Layer) {
        if let Some(users) = self.loopback_users.items_for(layer) {
            users.insert(name.to_owned(), only_loopback);
        }
    }

    pub(super) fn clear_loopback_users(&mut self, layer: Layer) {
        self.loopback_users.clear(layer);
    }

    pub(super) fn set_mechanism(&mut self, place: u16, mechanism: Mechanism) {
        self.auth_mechanisms.insert(place, mechanism);
    }

    pub(super) fn allow_origin(&mut self, name: &str, origin: String, layer: Layer) {
        if let Some(origins) = self.management_origins.items_for(layer) {
            origins.insert(name.to_owned(), origin);
        }
    }

    pub(super) fn clear_origins(&mut self, layer: Layer) {
        self.management_origins.clear(layer);
    }

    pub(super) const fn set_memory_limit(&mut self, bytes: u64) {
        self.memory_limit = Some(bytes);
    }

    pub(super) fn finish(mut self) -> Loaded {
        if self.listeners.by.is_some() {
            self.config.listeners.clear();
        }
        if !self.listeners.items.is_empty() {
            self.config.listeners = self.listeners.items.into_values().collect();
        }
        self.config.loopback_users = loopback_users(self.config.loopback_users, self.loopback_users);
        if !self.auth_mechanisms.is_empty() {
            self.config.auth_mechanisms = without_repeats(self.auth_mechanisms.into_values());
        }
        self.config.management_origins = self.management_origins.items.into_values().collect();
        if let Some(bytes) = self.memory_limit {
            self.config.memory_limit = MemoryLimit::Absolute(bytes);
        }
        Loaded { config: self.config, warnings: self.warnings }
    }
}

/// Users of the default list stay unless they are set to false: leaving one out must not open it to the network.
fn loopback_users(defaults: Vec<String>, set: Cleared<BTreeMap<String, bool>>) -> Vec<String> {
    let kept = if set.by.is_some() { Vec::new() } else { defaults };
    let mut users: BTreeMap<String, bool> = kept.into_iter().map(|user| (user, true)).collect();
    users.extend(set.items);
    users.into_iter().filter_map(|(user, only_loopback)| only_loopback.then_some(user)).collect()
}

fn without_repeats(mechanisms: impl Iterator<Item = Mechanism>) -> Vec<Mechanism> {
    let mut once = Vec::new();
    for mechanism in mechanisms {
        if !once.contains(&mechanism) {
            once.push(mechanism);
        }
    }
    once
}
