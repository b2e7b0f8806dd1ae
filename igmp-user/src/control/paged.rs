//! Tables that the agent hands over in pages.

use serde::Serialize;
use tokio::sync::oneshot;

use super::{Filter, JoinPage, Page, Position, Request, RequestError, RoutePage, RoutePosition};
use crate::api;

/// A part of a table. The default is an empty one, with nothing after it.
pub(super) trait Paged: Default + Send + 'static {
    /// What the table lists.
    type Entry: Serialize;
    /// A place in the table.
    type Position: Send + 'static;

    /// What the JSON document calls the list.
    const KEY: &'static str;

    /// How the agent is asked for the part that begins at `from`.
    fn request(
        filter: Filter,
        from: Option<Self::Position>,
        reply: oneshot::Sender<Result<Self, RequestError>>,
    ) -> Request;

    /// The entries, and where to go on.
    fn into_parts(self) -> (Vec<Self::Entry>, Option<Self::Position>);
}

impl Paged for Page {
    type Entry = api::Group;
    type Position = Position;

    const KEY: &'static str = "group";

    fn request(
        filter: Filter,
        from: Option<Position>,
        reply: oneshot::Sender<Result<Self, RequestError>>,
    ) -> Request {
        Request::Groups { filter, from, reply }
    }

    fn into_parts(self) -> (Vec<api::Group>, Option<Position>) {
        (self.groups, self.next)
    }
}

impl Paged for RoutePage {
    type Entry = api::Route;
    type Position = RoutePosition;

    const KEY: &'static str = "route";

    fn request(
        filter: Filter,
        from: Option<RoutePosition>,
        reply: oneshot::Sender<Result<Self, RequestError>>,
    ) -> Request {
        Request::Routes { filter, from, reply }
    }

    fn into_parts(self) -> (Vec<api::Route>, Option<RoutePosition>) {
        (self.routes, self.next)
    }
}

impl Paged for JoinPage {
    type Entry = api::Join;
    type Position = RoutePosition;

    const KEY: &'static str = "join";

    fn request(
        filter: Filter,
        from: Option<RoutePosition>,
        reply: oneshot::Sender<Result<Self, RequestError>>,
    ) -> Request {
        Request::Joins { filter, from, reply }
    }

    fn into_parts(self) -> (Vec<api::Join>, Option<RoutePosition>) {
        (self.joins, self.next)
    }
}
