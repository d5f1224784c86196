//! The one place that starts tasks, so that shutdown can wait for all of them.

use std::future::Future;

use tokio_util::task::TaskTracker;

/// The tasks of a server.
#[derive(Clone, Debug, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// Starts one.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.spawn(task));
    }

    /// Waits until every task has ended.
    pub async fn ended(&self) {
        self.0.close();
        self.0.wait().await;
    }
}
