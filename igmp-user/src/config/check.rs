//! From the file as it is written to a configuration that holds: ranges, relations between keys, defaults.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use igmp_core::Duration;
use igmp_wire::{abi, address};

use super::{
    BPF_PIN_PATH, CONTROL_SOCKET, Config, ConfigError, GroupMembershipInterval, Igmp, Interface, Problem,
    Vlan,
    file::{self, File, Seconds},
    place::{KeyPath, Places, dotted},
};

/// Longest name of an interface, in bytes (`IFNAMSIZ` less the final 0).
const MAX_NAME_LEN: usize = 15;
/// Range of `max-groups`, the capacity of the map.
const GROUP_CAPACITY: RangeInclusive<i64> = 1..=1 << 24;
/// Range of `max-entries`, the capacity of the map.
const SOURCE_CAPACITY: RangeInclusive<i64> = 1..=1 << 26;
/// Range of `event-ring-size`: from the smallest page of any architecture.
const EVENT_RING_SIZE: RangeInclusive<i64> = 4_096..=1 << 30;
/// Most bytes that `event-ring-size` is by default.
const MOST_EVENT_RING_SIZE: usize = 64 << 20;
/// What the kernel puts before each event (`BPF_RINGBUF_HDR_SZ`).
const EVENT_HEADER_LEN: usize = 8;
/// Range of Query Interval in seconds (RFC 8652, `query-interval`), decimals allowed.
const QUERY_INTERVAL: RangeInclusive<f64> = 0.1..=31_744.0;
/// Range of Max Response Time and Last Member Query Interval in seconds (RFC 8652, `query-max-response-time` and
/// `last-member-query-interval`), decimals allowed.
const RESPONSE_TIME: RangeInclusive<f64> = 0.1..=1_023.0;
/// The same for version 2, whose Max Response Time is one byte of tenths of a second (RFC 2236 §2.2).
const RESPONSE_TIME_V2: RangeInclusive<f64> = 0.1..=25.5;
/// Room for the joins of half of the groups at once, so that a search of the maps is seldom needed.
fn default_event_ring_size(max_groups: u32) -> u32 {
    let room = max_groups as usize / 2 * (abi::Event::LEN + EVENT_HEADER_LEN);
    room.next_power_of_two()
        .clamp(abi::EVENT_RING_LEN, MOST_EVENT_RING_SIZE) as u32
}

/// See [`Config::parse`].
pub(super) fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let places = Places::of(text);
    let mut checker = Checker {
        places: &places,
        problems: Vec::new(),
    };
    let config = match toml::from_str::<File>(text) {
        Ok(file) => Some(checker.file(file)),
        Err(error) => {
            checker.problems.push(of_toml(&error, text, &places));
            None
        }
    };
    let mut problems = checker.problems;
    problems.sort_by_key(|problem| problem.line);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigError {
            file: path.to_owned(),
            problems,
        }),
    }
}

/// What the TOML parser found, said with the key.
fn of_toml(error: &toml::de::Error, text: &str, places: &Places) -> Problem {
    let span = error.span();
    let line = span.as_ref().map(|span| places.line(span.start));
    let key = span
        .as_ref()
        .and_then(|span| places.key_at(span.start))
        .map(|path| dotted(path));
    // A key that is there twice is in no list of keys, so its text is taken from the file.
    let key = key.or_else(|| Some(text.get(span?)?.trim().to_owned()).filter(|key| !key.contains('\n')));
    Problem {
        line,
        key: key.unwrap_or_default(),
        reason: error.message().to_owned(),
    }
}

pub(super) struct Checker<'a> {
    pub(super) places: &'a Places,
    problems: Vec<Problem>,
}

/// Path of a key, from string slices.
pub(super) fn path(parts: &[&str]) -> KeyPath {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// Path of a key in a table.
pub(super) fn in_table(table: &[String], key: &str) -> KeyPath {
    let mut path = table.to_vec();
    path.push(key.to_owned());
    path
}

impl Checker<'_> {
    pub(super) fn refuse(&mut self, path: &[String], reason: impl Into<String>) {
        self.problems.push(Problem {
            line: self.places.line_of(path),
            key: dotted(path),
            reason: reason.into(),
        });
    }

    /// A whole number in a range, or the default where it is absent or refused.
    pub(super) fn number(
        &mut self,
        path: &[String],
        value: Option<i64>,
        range: RangeInclusive<i64>,
        default: u32,
    ) -> u32 {
        let Some(value) = value else { return default };
        match u32::try_from(value) {
            Ok(number) if range.contains(&value) => number,
            _ => {
                let (low, high) = range.into_inner();
                self.refuse(path, format!("must be between {low} and {high}, not {value}"));
                default
            }
        }
    }

    /// A duration in a range, or the default where it is absent or refused.
    pub(super) fn seconds(
        &mut self,
        path: &[String],
        value: Option<Seconds>,
        range: RangeInclusive<f64>,
        default: f64,
    ) -> f64 {
        let Some(Seconds(value)) = value else {
            return default;
        };
        if range.contains(&value) {
            return value;
        }
        let (low, high) = range.into_inner();
        self.refuse(
            path,
            format!("must be between {low} and {high} seconds, not {value}"),
        );
        default
    }

    fn file(&mut self, file: File) -> Config {
        let File {
            control_socket,
            bpf_pin_path,
            metrics_listen,
            forwarding,
            bpf_log_level,
            max_groups,
            max_entries,
            event_ring_size,
            igmp,
            interfaces,
            pim,
        } = file;

        let control_socket = control_socket.unwrap_or_else(|| PathBuf::from(CONTROL_SOCKET));
        if control_socket.file_name().is_none() {
            self.refuse(&path(&["control-socket"]), "must be the path of a file");
        }
        let bpf_pin_path = bpf_pin_path.unwrap_or_else(|| PathBuf::from(BPF_PIN_PATH));
        if !bpf_pin_path.is_absolute() {
            self.refuse(&path(&["bpf-pin-path"]), "must be an absolute path");
        }
        let max_groups = self.number(&path(&["max-groups"]), max_groups, GROUP_CAPACITY, 65_536);
        let event_ring_size = self.number(
            &path(&["event-ring-size"]),
            event_ring_size,
            EVENT_RING_SIZE,
            default_event_ring_size(max_groups),
        );
        if !event_ring_size.is_power_of_two() {
            self.refuse(
                &path(&["event-ring-size"]),
                format!("must be a power of two, not {event_ring_size}"),
            );
        }

        let defaults_path = path(&["igmp"]);
        if igmp.static_group.is_some() {
            self.refuse(
                &in_table(&defaults_path, "static-group"),
                "belongs to one interface: write it into [interfaces.NAME.igmp]",
            );
        }
        let defaults = self.igmp(&defaults_path, &igmp, &Igmp::default());
        let mut interfaces = interfaces
            .into_iter()
            .map(|(name, interface)| {
                let interface = self.interface(&name, interface, &defaults);
                (name, interface)
            })
            .collect();
        let max_entries = self.number(&path(&["max-entries"]), max_entries, SOURCE_CAPACITY, 262_144);
        let has_table = pim.is_some();
        let pim = self.pim(pim.unwrap_or_default(), max_entries);
        self.relations(&interfaces);
        let mut without_effect = self.proxy_or_pim(&mut interfaces, has_table);
        if let Some(listen) = metrics_listen {
            without_effect.push(format!(
                "metrics-listen = \"{listen}\": this version exports no metrics"
            ));
        }

        Config {
            igmp: defaults,
            control_socket,
            bpf_pin_path,
            bpf_log_level: bpf_log_level.unwrap_or_default(),
            max_groups,
            max_entries,
            event_ring_size,
            interfaces,
            forwarding: forwarding.unwrap_or_default(),
            metrics_listen,
            pim,
            without_effect,
        }
    }

    fn interface(&mut self, name: &str, interface: file::Interface, defaults: &Igmp) -> Interface {
        let file::Interface {
            xdp_mode,
            proxy_upstream,
            parent,
            vlan,
            address,
            igmp,
            pim,
        } = interface;
        let table = path(&["interfaces", name]);
        self.name(&table, name);
        if xdp_mode.is_some() && vlan.is_some() {
            self.refuse(
                &in_table(&table, "xdp-mode"),
                "the XDP program runs on the parent: write it into the parent's table",
            );
        }
        let proxy_upstream = proxy_upstream.unwrap_or(false);
        if proxy_upstream && igmp.is_some() {
            self.refuse(
                &in_table(&table, "proxy-upstream"),
                "the upstream interface has a host side only: remove its igmp table (RFC 4605 section 3)",
            );
        }
        Interface {
            xdp_mode: xdp_mode.unwrap_or_default(),
            vlan: self.vlan(&table, name, parent, vlan, address),
            igmp: igmp.map(|igmp| self.igmp(&in_table(&table, "igmp"), &igmp, defaults)),
            proxy_upstream,
            pim: pim.map(|pim| self.pim_interface(&in_table(&table, "pim"), &pim)),
        }
    }

    fn name(&mut self, path: &[String], name: &str) {
        let usable = !name.is_empty()
            && name != "."
            && name != ".."
            && name.len() <= MAX_NAME_LEN
            && !name.contains(|char: char| char == '/' || char == ':' || char.is_whitespace());
        if !usable {
            self.refuse(path, format!("{name:?} cannot be the name of an interface"));
        }
    }

    fn vlan(
        &mut self,
        table: &[String],
        name: &str,
        parent: Option<String>,
        id: Option<i64>,
        address: Option<ipnet::Ipv4Net>,
    ) -> Option<Vlan> {
        match (parent, id) {
            (Some(parent), Some(id)) => {
                self.name(&in_table(table, "parent"), &parent);
                if parent == name {
                    self.refuse(&in_table(table, "parent"), "an interface is not its own parent");
                }
                let id = self.number(&in_table(table, "vlan"), Some(id), 1..=4_094, 1);
                if let Some(address) = address
                    && !address::is_unicast(address.addr())
                {
                    self.refuse(
                        &in_table(table, "address"),
                        format!("{} is not the address of a host", address.addr()),
                    );
                }
                Some(Vlan {
                    parent,
                    id: id as u16,
                    address,
                })
            }
            (Some(_), None) => {
                self.refuse(&in_table(table, "parent"), "needs a vlan beside it");
                None
            }
            (None, Some(_)) => {
                self.refuse(
                    &in_table(table, "vlan"),
                    "needs the parent that carries the tagged frames",
                );
                None
            }
            (None, None) => {
                if address.is_some() {
                    self.refuse(
                        &in_table(table, "address"),
                        "is for VLANs of a parent; the address of any other interface is the kernel's",
                    );
                }
                None
            }
        }
    }

    fn igmp(&mut self, table: &[String], igmp: &file::Igmp, defaults: &Igmp) -> Igmp {
        let file::Igmp {
            version,
            query_interval,
            query_max_response_time,
            last_member_query_interval,
            robustness_variable,
            group_membership_interval,
            require_router_alert,
            verify_source_subnet,
            immediate_leave,
            max_groups,
            max_group_sources,
            static_group,
        } = igmp;
        let from = &defaults.protocol;
        let key = |name| in_table(table, name);

        let version = self.number(&key("version"), *version, 1..=3, from.version.into()) as u8;
        let query_interval = self.seconds(
            &key("query-interval"),
            *query_interval,
            QUERY_INTERVAL,
            from.query_interval.as_secs_f64(),
        );
        let response_time = self.seconds(
            &key("query-max-response-time"),
            *query_max_response_time,
            RESPONSE_TIME,
            from.query_response_interval.as_secs_f64(),
        );
        if response_time >= query_interval {
            let name = if query_max_response_time.is_some() || query_interval_is_default(igmp) {
                "query-max-response-time"
            } else {
                "query-interval"
            };
            self.refuse(
                &key(name),
                format!(
                    "query-max-response-time ({response_time} s) must be less than query-interval \
                     ({query_interval} s)"
                ),
            );
        }
        let last_member = self.seconds(
            &key("last-member-query-interval"),
            *last_member_query_interval,
            RESPONSE_TIME,
            from.last_member_query_interval.as_secs_f64(),
        );
        if version == 2 {
            for (name, value) in [
                ("query-max-response-time", response_time),
                ("last-member-query-interval", last_member),
            ] {
                if !RESPONSE_TIME_V2.contains(&value) {
                    self.refuse(
                        &key(name),
                        format!(
                            "version 2 carries at most {} seconds, not {value}",
                            RESPONSE_TIME_V2.end()
                        ),
                    );
                }
            }
        }

        let static_groups = self.static_groups(&key("static-group"), static_group.as_deref(), version);
        Igmp {
            protocol: igmp_core::InterfaceConfig {
                version,
                query_interval: duration(query_interval),
                query_response_interval: duration(response_time),
                last_member_query_interval: duration(last_member),
                robustness_variable: self.number(
                    &key("robustness-variable"),
                    *robustness_variable,
                    1..=7,
                    from.robustness_variable.into(),
                ) as u8,
                rfc3376_group_membership_interval: group_membership_interval
                    .map_or(from.rfc3376_group_membership_interval, |formula| {
                        formula == GroupMembershipInterval::Rfc3376
                    }),
                immediate_leave: immediate_leave.unwrap_or(from.immediate_leave),
                max_groups: self.number(
                    &key("max-groups"),
                    *max_groups,
                    0..=*GROUP_CAPACITY.end(),
                    from.max_groups,
                ),
                max_group_sources: self.number(
                    &key("max-group-sources"),
                    *max_group_sources,
                    0..=*SOURCE_CAPACITY.end(),
                    from.max_group_sources,
                ),
                static_groups,
            },
            require_router_alert: require_router_alert.unwrap_or(defaults.require_router_alert),
            verify_source_subnet: verify_source_subnet.unwrap_or(defaults.verify_source_subnet),
        }
    }

    fn static_groups(
        &mut self,
        path: &[String],
        groups: Option<&[file::StaticGroup]>,
        version: u8,
    ) -> Vec<igmp_core::StaticGroup> {
        let mut seen = BTreeSet::new();
        for (index, &file::StaticGroup { group, source }) in groups.unwrap_or_default().iter().enumerate() {
            let element = in_table(path, &format!("[{index}]"));
            if !address::is_multicast(group) {
                self.refuse(
                    &in_table(&element, "group"),
                    format!("{group} is not a multicast group"),
                );
            } else if address::is_link_local_group(group) {
                self.refuse(
                    &in_table(&element, "group"),
                    format!("{group} is of 224.0.0.0/24, which never leaves its link and has no members"),
                );
            } else if address::is_ssm(group) && source.is_none() {
                self.refuse(
                    &in_table(&element, "group"),
                    format!("{group} is source-specific (232.0.0.0/8) and needs a source"),
                );
            }
            if let Some(source) = source {
                if !address::is_unicast(source) {
                    self.refuse(
                        &in_table(&element, "source"),
                        format!("{source} is not the address of a host"),
                    );
                }
                if version < 3 {
                    self.refuse(
                        &in_table(&element, "source"),
                        format!("needs version 3, and this interface runs version {version}"),
                    );
                }
            }
            if !seen.insert(igmp_core::StaticGroup { group, source }) {
                self.refuse(&element, format!("{group} is listed twice"));
            }
        }
        seen.into_iter().collect()
    }

    /// What has to hold between interfaces.
    fn relations(&mut self, interfaces: &BTreeMap<String, Interface>) {
        let mut upstream: Option<&str> = None;
        let mut vlans: BTreeMap<(&str, u16), &str> = BTreeMap::new();
        for (name, interface) in interfaces {
            let table = path(&["interfaces", name]);
            if interface.proxy_upstream {
                match upstream {
                    Some(other) => self.refuse(
                        &in_table(&table, "proxy-upstream"),
                        format!("{other} is the upstream interface already, and a proxy has one (RFC 4605 section 3)"),
                    ),
                    None => upstream = Some(name),
                }
            }
            let Some(vlan) = &interface.vlan else { continue };
            if let Some(other) = vlans.insert((&vlan.parent, vlan.id), name) {
                self.refuse(
                    &in_table(&table, "vlan"),
                    format!("VLAN {} of {} is {other} already", vlan.id, vlan.parent),
                );
            }
            let parent_is_vlan = interfaces
                .get(&vlan.parent)
                .is_some_and(|parent| parent.vlan.is_some());
            if parent_is_vlan {
                self.refuse(
                    &in_table(&table, "parent"),
                    format!(
                        "{} is a VLAN itself, and frames with two tags are not served",
                        vlan.parent
                    ),
                );
            }
        }
        if interfaces.len() > abi::MAX_INTERFACES as usize {
            self.refuse(
                &path(&["interfaces"]),
                format!(
                    "at most {} interfaces can be served, not {}",
                    abi::MAX_INTERFACES,
                    interfaces.len()
                ),
            );
        }
    }
}

impl Default for Igmp {
    fn default() -> Self {
        Self {
            protocol: igmp_core::InterfaceConfig::default(),
            require_router_alert: true,
            verify_source_subnet: false,
        }
    }
}

/// Whether the table leaves Query Interval to its defaults.
fn query_interval_is_default(igmp: &file::Igmp) -> bool {
    igmp.query_interval.is_none()
}

/// A span in the core's unit, rounded to a millisecond: decimals of TOML are binary fractions.
pub(super) fn duration(seconds: f64) -> Duration {
    Duration::from_millis((seconds * 1_000.0).round() as u64)
}
