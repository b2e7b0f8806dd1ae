//! Following what the core tells of routes.

use igmp_core::{Action, Instant};

use super::Router;
use crate::sabotage::Sabotage;

impl Router {
    /// Takes out what the core has told of routes in one call, the actions from `first` on, and holds it against what the
    /// core says of its groups.
    ///
    /// Routes lie in maps of their own, which no report changes, so it does not matter how long the agent takes for them.
    pub(super) fn follow_routes(&mut self, now: Instant, actions: &mut Vec<Action>, first: usize) {
        let is_route =
            |action: &mut Action| matches!(action, Action::SetRoute { .. } | Action::RemoveRoute { .. });
        let mut told: Vec<Action> = actions.extract_if(first.., is_route).collect();
        told.retain(|action| match (self.sabotage, action) {
            (Some(Sabotage::KeepRoutes), Action::RemoveRoute { .. }) => false,
            (Some(Sabotage::LoseBlocks), Action::SetRoute { outgoing, .. }) => !outgoing.is_empty(),
            _ => true,
        });
        let outcome = self
            .routes
            .follow(&told)
            .and_then(|()| self.routes.compare(&self.core, now));
        if let Err(fault) = outcome {
            self.routes_fault.get_or_insert(fault);
        }
    }
}
