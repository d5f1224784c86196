//! Durable queues that one read declares are stored together: their answers are encoded, and do not leave before all of them
//! are on the disk.

use std::sync::Arc;

use bytes::BytesMut;

use super::{Session, Workspace};
use crate::broker::connection::{Effect, Request};
use crate::broker::error::ConnectionError;
use crate::broker::time::Timestamp;
use crate::node::vhost::{Group, RunningVhost};

/// Declarations whose answers wait.
#[derive(Debug)]
pub(super) struct Declarations {
    vhost: Arc<RunningVhost>,
    groups: Vec<Arc<Group>>,
    /// Where their answers begin in what is encoded.
    answers_from: usize,
}

impl Session {
    /// What is encoded from here on waits for the group.
    pub(super) fn wait_for_group(&mut self, vhost: &Arc<RunningVhost>, group: Arc<Group>, answers_from: usize) {
        let declarations = self.declarations.get_or_insert_with(|| {
            Box::new(Declarations { vhost: Arc::clone(vhost), groups: Vec::new(), answers_from })
        });
        if declarations.groups.last().is_none_or(|last| !Arc::ptr_eq(last, &group)) {
            declarations.groups.push(group);
        }
    }

    /// Whether what is to be done can join declarations that wait: another one, and the answers to those before.
    pub(super) fn joins_declarations(effects: &[Effect]) -> bool {
        effects.iter().all(|effect| matches!(effect, Effect::Request { request: Request::DeclareQueue(_), .. }))
    }

    /// Sees to it that all that was declared is on the disk. Where there is no room nothing of it was declared: the answers
    /// are taken back, and the connection ends.
    pub(super) fn keep_declarations(&mut self, now: Timestamp, work: &mut Workspace, out: &mut BytesMut) {
        let Some(declarations) = self.declarations.take() else { return };
        let Declarations { vhost, groups, answers_from } = *declarations;
        let kept: Result<Vec<()>, ConnectionError> = groups.iter().map(|group| vhost.keep(group)).collect();
        let Err(error) = kept else { return };
        out.truncate(answers_from);
        let mut closing = Vec::new();
        if self.connection.declarations_lost(now, &error, &mut closing) {
            self.execute(now, &mut closing, out);
            // Nothing is said behind connection.close.
            work.effects.retain(|effect| !matches!(effect, Effect::Send { .. } | Effect::Confirm { .. }));
        }
    }
}
