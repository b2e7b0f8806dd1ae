//! What a million groups take. A process of its own, since it looks at the memory of all of it.

mod silent;

use std::{fs, net::Ipv4Addr};

use igmp_core::{Event, Instant, InterfaceConfig, InterfaceId, Report, ReportKind, Router};

use crate::silent::Silent;

const GROUPS: u32 = 1_000_000;
/// Most bytes for each of them. They come in no order; where they come in order it is a tenth less.
const MOST: u64 = 120;
const LAN: InterfaceId = InterfaceId(0);
const START: Instant = Instant::from_nanos(1_000_000_000_000);

/// The memory that this process has in use, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("there is such a file");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("the kernel tells it")
        * 1_024
}

#[test]
fn a_million_groups_take_little_memory() {
    let mut router = Router::new();
    let mut actions = Vec::new();
    let up = Event::InterfaceUp {
        interface: LAN,
        config: InterfaceConfig::default(),
        address: Some(Ipv4Addr::new(10, 1, 0, 1)),
        mtu: 1_500,
    };
    router.handle(START, up, &mut Silent, &mut actions);
    let before = resident();
    for number in 0..GROUPS {
        let now = Instant::from_nanos(START.as_nanos() + u64::from(number) * 1_000);
        let report = Event::Report(Report {
            interface: LAN,
            time: now,
            reporter: Ipv4Addr::new(10, 1, 0, 2),
            // An odd factor: they come in no order, and none comes twice.
            group: Ipv4Addr::from_bits(0xe100_0000 + number.wrapping_mul(0x9e37_79b1) % (1 << 24)),
            kind: ReportKind::V2,
            sources: Vec::new(),
        });
        actions.clear();
        router.handle(now, report, &mut Silent, &mut actions);
    }
    let each = (resident() - before) / u64::from(GROUPS);
    let view = router.interface(LAN).expect("the interface is up");
    assert_eq!(view.groups_count, GROUPS as usize);
    assert!(each <= MOST, "{each} bytes for each group");
}
