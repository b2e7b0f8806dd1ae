//! Sending and receiving.

use core::net::Ipv4Addr;
use std::rc::Rc;

use igmp_core::SendQuery;
use igmp_wire::igmp::float;

use super::{World, happening::Happening};
use crate::{
    message::{Frame, Message, Node, Query},
    sabotage::Sabotage,
};

impl World<'_> {
    pub(super) fn send(&mut self, frame: Frame) {
        let now = self.now;
        self.trace.note(now, frame.message.groups().first().copied(), || {
            format!("{:?} sends {:?}", frame.from, frame.message)
        });
        let arrivals = self.link.deliver(&frame, &self.nodes, &mut self.rng);
        let frame = Rc::new(frame);
        for (to, after) in arrivals {
            let frame = Rc::clone(&frame);
            self.plan(after, Happening::Deliver { to, frame });
        }
    }

    pub(super) fn arrive(&mut self, to: Node, frame: &Frame) {
        self.tally.frames += 1;
        let now = self.now;
        self.trace.note(now, frame.message.groups().first().copied(), || {
            format!("{to:?} receives {:?} of {:?}", frame.message, frame.from)
        });
        match to {
            Node::Router(index) => {
                let router = &mut self.routers[index];
                if !router.up {
                    return;
                }
                let querier = router.querier();
                let mut looks = Vec::new();
                for accepted in router.kernel.receive(now, frame) {
                    looks.extend(router.ledger.accepted(&accepted.event, accepted.lost, querier));
                }
                for at in looks {
                    self.plan_look(index, at);
                }
                self.arm_router(index);
            }
            Node::Host(index) => {
                let host = &mut self.hosts[index];
                match (&frame.message, frame.query) {
                    (Message::Query(query), Some(number)) => {
                        host.hear_query(now, query, number, &mut self.rng);
                    }
                    (Message::ReportV1(group), _) => host.hear_report(now, *group, 1),
                    (Message::ReportV2(group), _) => host.hear_report(now, *group, 2),
                    _ => {}
                }
                self.arm_host(index);
            }
        }
    }

    pub(super) fn send_query(&mut self, index: usize, source: Ipv4Addr, query: &SendQuery) {
        match (self.scenario.sabotage, query.group) {
            (Some(Sabotage::NoGeneralQueries), None) | (Some(Sabotage::NoSpecificQueries), Some(_)) => return,
            _ => {}
        }
        if let Some(watched) = &mut self.watching {
            match query.group {
                None => watched.general.push((source, self.now)),
                Some(_) => watched.specific += 1,
            }
        }
        let tenths = query.max_response_time.as_deciseconds() as u32;
        let seconds = query.query_interval.as_secs_f64() as u32;
        let message = Query {
            version: query.version,
            group: query.group,
            max_resp_code: match query.version {
                1 => 0,
                2 => tenths.clamp(1, 255) as u8,
                _ => float::encode(tenths),
            },
            suppress: query.version == 3 && query.suppress,
            qrv: if query.version == 3 { query.qrv } else { 0 },
            qqic: if query.version == 3 {
                float::encode(seconds)
            } else {
                0
            },
            sources: query.sources.clone(),
        };
        let number = self.link.number(self.now, query.group, &mut self.rng);
        self.send(Frame {
            from: Node::Router(index),
            source,
            message: Message::Query(message),
            answers: Vec::new(),
            query: Some(number),
        });
    }
}
