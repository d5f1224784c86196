//! Settings of queues, which are there once where many queues in a row keep to the same: nearly all do.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::broker::queue::Settings;

/// The settings of the queue that got some last.
#[derive(Clone, Debug, Default)]
pub(in crate::node) struct SharedSettings(Arc<Mutex<Arc<Settings>>>);

impl SharedSettings {
    /// The same settings, shared with the last queue if that has them too.
    pub(super) fn share(&self, settings: Settings) -> Arc<Settings> {
        let mut last = self.0.lock();
        if **last != settings {
            *last = Arc::new(settings);
        }
        Arc::clone(&last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_the_same_are_there_once_and_others_are_apart() {
        let shared = SharedSettings::default();
        let short = || Settings { max_length: Some(1), ..Settings::default() };
        let (one, other) = (shared.share(short()), shared.share(short()));
        assert!(Arc::ptr_eq(&one, &other));
        let plain = shared.share(Settings::default());
        assert_eq!((&*one, &*plain), (&short(), &Settings::default()));
    }
}
