//! Taking a change back that could not be stored, so that nothing of it happened.

use super::{Definition, Effect, Vhost};

impl Vhost {
    /// Undoes a change that only added something, as a declaration or a binding does; `effects` is all that it led to, none
    /// of which was carried out. False, and nothing is undone, when something went with it, or changed.
    #[must_use]
    pub fn take_back(&mut self, effects: &[Effect]) -> bool {
        let changes = |effect: &Effect| {
            matches!(
                effect,
                Effect::QueueRemoved(_)
                    | Effect::Forgotten(_)
                    | Effect::Stored(Definition::Policy(..))
                    | Effect::QueueConfigured(..)
                    | Effect::Redeclared(_)
            )
        };
        if effects.iter().any(changes) {
            return false;
        }
        // What goes again was never there for anybody.
        let (mut ignored, mut unbound) = (Vec::new(), Vec::new());
        for effect in effects.iter().rev() {
            match effect {
                Effect::QueueCreated(entry, _) => self.remove_queue(entry, &mut ignored),
                // Nothing of it was carried out.
                Effect::MemoryCreated { .. }
                | Effect::MemoryRemoved(_)
                | Effect::Replay { .. }
                | Effect::Stored(Definition::Policy(..))
                | Effect::QueueConfigured(..)
                | Effect::Redeclared(_) => {}
                Effect::Stored(Definition::Exchange(exchange)) => {
                    self.topology.exchanges.remove_mut(&exchange.name);
                    self.changed();
                }
                Effect::Stored(Definition::Binding(link)) => {
                    if let Some(binding) = self.binding(link) {
                        self.remove_binding(&binding, &mut ignored, &mut unbound);
                    }
                }
                // It came with the queue.
                Effect::Stored(Definition::Queue(_)) | Effect::QueueRemoved(_) | Effect::Forgotten(_) => {}
            }
        }
        self.watch.forget();
        true
    }
}
