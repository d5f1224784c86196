//! Policies as operators see and set them: who may, in which vhost. What a policy is and does is `broker`'s.

use std::sync::Arc;

use leveret_protocol::ShortString;
use thiserror::Error;

use super::Node;
use super::fail_stop::fail_stop;
use super::vhost::RunningVhost;
use crate::broker::auth::User;
use crate::broker::error::BrokerError;
use crate::broker::policy::{Draft, Effective, Invalid, Policy, PolicyKind};

/// Why a policy is not set, cleared or shown. The texts are RabbitMQ's reasons.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum PolicyError {
    /// There is no such vhost, or the user may not enter it.
    #[error("Not Found")]
    NoVhost,
    /// There is no such policy.
    #[error("Not Found")]
    NotFound,
    /// The user is no policymaker.
    #[error("User not authorised to access object")]
    NotPolicymaker,
    /// Operator policies are for administrators.
    #[error("Not administrator user")]
    NotAdministrator,
    /// The policy cannot be.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The vhost could not take the change.
    #[error(transparent)]
    Refused(#[from] BrokerError),
}

impl Node {
    /// Passes who may set policies of this kind in a vhost.
    ///
    /// # Errors
    /// When the user may not, or there is no such vhost.
    pub fn require_policymaker(&self, user: &User, vhost: &ShortString, kind: PolicyKind) -> Result<(), PolicyError> {
        self.policymakers(user, vhost, kind).map(drop)
    }

    /// Sets a policy, which counts at once; true: there was none of its name. When it returns, the policy is on disk.
    ///
    /// # Errors
    /// When the user may not, there is no such vhost, or the policy is invalid; in this order.
    pub fn set_policy(
        &self,
        user: &User,
        vhost: &ShortString,
        kind: PolicyKind,
        draft: Draft,
    ) -> Result<bool, PolicyError> {
        let vhost = self.policymakers(user, vhost, kind)?;
        let policy = draft.into_policy(kind)?;
        let told = self.events.are_wanted().then(|| policy.clone());
        let mut ids = || Some(vhost.next_queue().unwrap_or_else(|error| fail_stop(&error)));
        let is_new = vhost
            .change(self.clock.now(), |machine, effects| Ok(machine.set_policy(kind, policy, &mut ids, effects)))?;
        if let Some(policy) = told {
            self.events.tell_policy_set(&vhost.name, kind, &policy, &user.name);
        }
        Ok(is_new)
    }

    /// Takes a policy away, which counts at once.
    ///
    /// # Errors
    /// When the user may not, or there is no such vhost or policy.
    pub fn clear_policy(
        &self,
        user: &User,
        vhost: &ShortString,
        kind: PolicyKind,
        name: &[u8],
    ) -> Result<(), PolicyError> {
        let vhost = self.policymakers(user, vhost, kind)?;
        let mut ids = || Some(vhost.next_queue().unwrap_or_else(|error| fail_stop(&error)));
        let cleared = vhost
            .change(self.clock.now(), |machine, effects| Ok(machine.clear_policy(kind, name, &mut ids, effects)))?;
        if !cleared {
            return Err(PolicyError::NotFound);
        }
        self.events.tell_policy_cleared(&vhost.name, kind, name, &user.name);
        Ok(())
    }

    /// One policy.
    ///
    /// # Errors
    /// When the user may not set it either (RabbitMQ), or there is no such vhost or policy.
    pub fn policy(
        &self,
        user: &User,
        vhost: &ShortString,
        kind: PolicyKind,
        name: &[u8],
    ) -> Result<Arc<Policy>, PolicyError> {
        let vhost = self.policymakers(user, vhost, kind)?;
        vhost.topology().policies().get(kind, name).cloned().ok_or(PolicyError::NotFound)
    }

    /// The policies of a vhost, by name.
    ///
    /// # Errors
    /// When there is no such vhost, or the user may not enter it.
    pub fn policies(
        &self,
        user: &User,
        vhost: &ShortString,
        kind: PolicyKind,
    ) -> Result<Vec<Arc<Policy>>, PolicyError> {
        let vhost = self.entered(user, vhost)?;
        let mut policies = vhost.topology().policies().of(kind).to_vec();
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(policies)
    }

    /// The policies that apply to a queue, with its definition; `None`: there is no such queue.
    #[must_use]
    pub fn policies_of_queue(&self, vhost: &ShortString, queue: &[u8]) -> Option<Effective> {
        let topology = self.vhost(vhost)?.topology();
        topology.queue(queue).map(|entry| topology.policies_of_queue(entry))
    }

    /// The policy that applies to an exchange; `None`: there is no such exchange.
    #[must_use]
    pub fn policies_of_exchange(&self, vhost: &ShortString, exchange: &[u8]) -> Option<Effective> {
        let topology = self.vhost(vhost)?.topology();
        topology.exchange(exchange).map(|exchange| topology.policies_of_exchange(exchange))
    }

    /// The vhost, for who may set policies of this kind there.
    fn policymakers(
        &self,
        user: &User,
        vhost: &ShortString,
        kind: PolicyKind,
    ) -> Result<Arc<RunningVhost>, PolicyError> {
        match kind {
            PolicyKind::User if !user.makes_policies() => Err(PolicyError::NotPolicymaker),
            PolicyKind::Operator if !user.is_administrator() => Err(PolicyError::NotAdministrator),
            PolicyKind::User | PolicyKind::Operator => self.entered(user, vhost),
        }
    }

    /// The vhost, for who has permissions there; administrators see all.
    fn entered(&self, user: &User, vhost: &ShortString) -> Result<Arc<RunningVhost>, PolicyError> {
        let may_enter = user.is_administrator() || self.users.permissions(user, vhost).is_some();
        self.vhost(vhost).filter(|_| may_enter).ok_or(PolicyError::NoVhost)
    }
}
