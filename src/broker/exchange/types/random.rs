//! x-random: a message goes to one of the bindings, each as likely as any other. Keys are ignored.

use super::choices::Choices;
use super::{Binding, Destination, Envelope, Routing};

/// All bindings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    choices: Choices,
}

impl Routing for Table {
    fn bind(&mut self, binding: &Binding) {
        self.choices.add(&binding.destination);
    }

    fn unbind(&mut self, binding: &Binding) {
        self.choices.remove(&binding.destination);
    }

    fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        self.choices.pick(envelope.random).into_iter().for_each(found);
    }

    fn varies(&self) -> bool {
        true
    }
}
