//! What a seed stands for.

use core::net::Ipv4Addr;

use igmp_core::{Duration, InterfaceConfig};

use crate::{
    host::{UNSOLICITED_V2, UNSOLICITED_V3, V1_RESPONSE},
    ledger::Terms,
    rng::Rng,
    router::handling,
    sabotage::Sabotage,
};

/// How bad things may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Never so many messages in a row are lost that the Robustness Variable does not cover it (RFC 9776 §8.1), and
    /// routers stay where they are. Members are promised their traffic.
    Fair,
    /// Anything may be lost, late, doubled or cut off, and routers and interfaces come and go. Routers are still held to
    /// what they have received.
    Foul,
}

/// The link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkQuality {
    /// How many of a thousand frames are lost on the way to a node.
    pub(crate) loss: u64,
    /// How many of a thousand arrive twice.
    pub(crate) duplication: u64,
    pub(crate) delay_min: Duration,
    pub(crate) delay_max: Duration,
    /// How many of a thousand are held up, and for how long at most.
    pub(crate) straggling: u64,
    pub(crate) straggle_max: Duration,
}

/// A scenario.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) weather: Weather,
    pub(crate) config: InterfaceConfig,
    pub(crate) routers: Vec<Ipv4Addr>,
    /// Address and version of each host.
    pub(crate) hosts: Vec<(Ipv4Addr, u8)>,
    pub(crate) groups: Vec<Ipv4Addr>,
    /// The last one is never named by any host.
    pub(crate) sources: Vec<Ipv4Addr>,
    pub(crate) link: LinkQuality,
    /// How long hosts change their minds.
    pub(crate) active: Duration,
    /// Mean time from one change to the next.
    pub(crate) action_gap: Duration,
    /// Mean time from one disturbance to the next, in foul weather.
    pub(crate) disturbance_gap: Duration,
    /// How long an event waits at most until the agent wakes up.
    pub(crate) event_delay: Duration,
    /// How long the agent takes at most from a decision to the deed.
    pub(crate) deciding: Duration,
    /// How many events the ring has room for.
    pub(crate) ring: usize,
    pub(crate) sabotage: Option<Sabotage>,
}

impl Scenario {
    pub(crate) fn draw(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let rng = &mut Rng::new(seed);
        let weather = if rng.chance(500) {
            Weather::Fair
        } else {
            Weather::Foul
        };
        let fair = weather == Weather::Fair;
        let version = *rng.pick(&[3, 3, 3, 3, 3, 3, 3, 2, 2, 1]);
        let hosts = rng.between(1, 6);
        let hosts: Vec<_> = (0..hosts)
            .map(|index| {
                let address = Ipv4Addr::new(10, 0, 0, 100 + index as u8);
                (address, *rng.pick(&[3, 3, 3, 3, 3, 2, 2, 1]))
            })
            .collect();
        // Hosts that speak version 1 answer within 10 s whatever they are asked, so the Query Response Interval must
        // not be shorter where there are any.
        let version_1 = version == 1 || hosts.iter().any(|&(_, version)| version == 1);
        let (interval, response, last_member, robustness) = if version_1 {
            *rng.pick(&[
                (125, 100, 10, 2),
                (40, 100, 10, 2),
                (25, 100, 5, 3),
                (60, 110, 20, 2),
            ])
        } else {
            *rng.pick(&[
                (125, 100, 10, 2),
                (125, 100, 10, 2),
                (60, 100, 20, 2),
                (20, 40, 10, 2),
                (30, 50, 10, 3),
                (10, 25, 5, 2),
                (12, 20, 5, 4),
            ])
        };
        let config = InterfaceConfig {
            version,
            query_interval: Duration::from_secs(interval),
            query_response_interval: Duration::from_deciseconds(response),
            last_member_query_interval: Duration::from_deciseconds(last_member),
            robustness_variable: robustness,
            rfc3376_group_membership_interval: !fair && rng.chance(200),
            immediate_leave: !fair && rng.chance(100),
            ..InterfaceConfig::default()
        };

        let mut routers: Vec<_> = [1, 2, 3, 200, 201]
            .map(|last| Ipv4Addr::new(10, 0, 0, last))
            .into();
        while routers.len() as u64 > rng.between(1, 3) {
            let index = rng.below(routers.len() as u64) as usize;
            routers.remove(index);
        }
        if routers.len() > 3 {
            routers.truncate(3);
        }
        if rng.chance(500) {
            routers.reverse();
        }
        let groups = [
            Ipv4Addr::new(233, 252, 0, 1),
            Ipv4Addr::new(239, 1, 2, 3),
            Ipv4Addr::new(232, 1, 2, 3),
            Ipv4Addr::new(233, 252, 0, 9),
        ];
        let groups = groups[..rng.between(1, 4) as usize].to_vec();
        let sources = (0..rng.between(1, 4) + 1)
            .map(|index| Ipv4Addr::new(192, 0, 2, 1 + index as u8))
            .collect();

        // Fair weather has no reordering that the protocol's own delays do not cover: whatever a query sets off arrives
        // after the query has arrived everywhere.
        let base = rng.span(Duration::from_nanos(20_000), Duration::from_millis(30));
        let link = if fair {
            LinkQuality {
                loss: *rng.pick(&[0, 50, 300, 600]),
                duplication: *rng.pick(&[0, 20, 200]),
                delay_min: base,
                delay_max: base * 2,
                straggling: 0,
                straggle_max: Duration::ZERO,
            }
        } else {
            LinkQuality {
                loss: *rng.pick(&[0, 10, 100, 300]),
                duplication: *rng.pick(&[0, 50, 300]),
                delay_min: Duration::from_nanos(10_000),
                delay_max: base * 4,
                straggling: *rng.pick(&[0, 10, 100]),
                straggle_max: Duration::from_secs(3),
            }
        };
        let active = Duration::from_secs((interval * rng.between(15, 40)).clamp(600, 4_000));
        let gaps = [400, 2_000, 10_000, 60_000];
        Self {
            seed,
            weather,
            config,
            routers,
            hosts,
            groups,
            sources,
            link,
            active,
            action_gap: Duration::from_millis(*rng.pick(&gaps)),
            disturbance_gap: Duration::from_secs(interval * rng.between(1, 5)),
            event_delay: Duration::from_millis(*rng.pick(if fair { &[1, 20] } else { &[1, 20, 400] })),
            deciding: Duration::from_millis(*rng.pick(&[0, 1, 10])),
            ring: if !fair && rng.chance(300) {
                rng.between(1, 4) as usize
            } else {
                1_000
            },
            sabotage,
        }
    }

    /// Group Membership Interval (RFC 9776 §8.4).
    pub(crate) fn membership(&self) -> Duration {
        let responses = if self.config.rfc3376_group_membership_interval {
            1
        } else {
            2
        };
        self.rounds() + self.config.query_response_interval * responses
    }

    /// So many Query Intervals as the Robustness Variable says.
    fn rounds(&self) -> Duration {
        self.config.query_interval * u64::from(self.config.robustness_variable)
    }

    /// Other Querier Present Interval (RFC 9776 §8.5).
    pub(crate) fn other_querier_present(&self) -> Duration {
        self.rounds() + self.config.query_response_interval / 2
    }

    /// Last Member Query Time (RFC 9776 §8.10).
    pub(crate) fn last_member(&self) -> Duration {
        self.config.last_member_query_interval * u64::from(self.config.robustness_variable)
    }

    pub(crate) fn handling(&self) -> Duration {
        handling(self.event_delay, self.deciding)
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms {
            membership: self.membership(),
            last_member: self.last_member(),
            leave: if self.config.immediate_leave {
                Duration::ZERO
            } else {
                self.last_member()
            },
            older_host: self.rounds() + self.config.query_response_interval,
            handling: self.handling(),
            version: self.config.version,
        }
    }

    /// How long after a host begins to want a source the routers forward it, in fair weather.
    ///
    /// A host that speaks the interface's version or an older one reports its change as often as the Robustness Variable
    /// says, each time at most one Unsolicited Report Interval after the last (§5.1), and one of the reports arrives. A
    /// host that still speaks a newer version is only heard when it has heard a query and answers in the right one: so
    /// many Query Intervals later as the Robustness Variable says, and the time to answer.
    pub(crate) fn join_time(&self, mode: u8) -> Duration {
        let repeats = u64::from(self.config.robustness_variable) - 1;
        let reported = match mode {
            mode if mode > self.config.version => self.query_round(),
            3 => UNSOLICITED_V3 * repeats,
            _ => UNSOLICITED_V2 * repeats,
        };
        reported + self.link.delay_max + self.handling()
    }

    /// How long it takes at most until a query is sent, heard and answered, in fair weather.
    pub(crate) fn query_round(&self) -> Duration {
        let answer = self
            .config
            .query_response_interval
            .as_nanos()
            .max(V1_RESPONSE.as_nanos());
        self.rounds() + Duration::from_nanos(answer) + self.link.delay_max * 2 + self.handling() * 2
    }

    /// How long after the last change and the last loss every router's state is exactly what the hosts want.
    ///
    /// The routers agree on the querier after at most one Other Querier Present Interval and one Query Interval. Then
    /// hosts answer the next query. Memberships whose leave was lost end one Group Membership Interval after their last
    /// report, which may have been the answer to the query before. Older hosts that have gone are forgotten after the Older
    /// Host Present Interval, and only then do excluded sources count again: they are listed by the next answer with a timer
    /// of one Group Membership Interval (§6.4.1), after which they are no longer forwarded.
    pub(crate) fn settling(&self) -> Duration {
        let round = self.query_round();
        self.other_querier_present() + self.membership() * 2 + round * 3 + self.terms().older_host
    }
}
