//! Routers of a link in simulation: Hellos are lost, doubled and late, routers come and go and change their addresses,
//! and when all is quiet they all know each other and agree on one Designated Router.
//!
//! ```text
//! PIM_SIM_SEED=1234 cargo test -p igmp-core --test pim hellos -- --nocapture
//! ```

use core::net::Ipv4Addr;

use igmp_core::{
    Duration,
    pim::{PimConfig, PimInterfaceConfig},
};

use crate::{
    bench::secs,
    seeds,
    world::{Quality, Sabotage, World, network::Network},
};

/// How many seeds are run where nothing else is asked for.
const SEEDS: u64 = 150;
/// Hello_Period of all routers, in seconds.
const PERIOD: f64 = 30.0;

fn config(world: &mut World) -> PimInterfaceConfig {
    PimInterfaceConfig {
        dr_priority: world.rng.below(3) as u32,
        ..PimInterfaceConfig::default()
    }
}

fn run(seed: u64, trace: bool, sabotage: Option<Sabotage>) -> Result<[u64; 2], String> {
    let mut world = World::new(seed, Network::new(&[&[0, 1, 2, 3, 4]]), PimConfig::default());
    world.trace = trace;
    world.sabotage = sabotage;
    world.quality = Quality {
        loss: *world.rng.pick(&[0, 100, 400]),
        duplication: 100,
        delay: Duration::from_millis(*world.rng.pick(&[5, 300, 3_000])),
    };
    for router in 0..5 {
        let config = config(&mut world);
        world.interfaces.insert((router, 0), Some(config));
    }
    world.start_all();
    for _ in 0..40 {
        let pause = world.rng.delay(secs(20.0));
        world.run_for(pause);
        let router = world.rng.below(5) as usize;
        match world.rng.below(6) {
            0 => {
                let pause = world.rng.delay(secs(200.0));
                world.restart(router, true, pause);
            }
            1 => {
                let pause = world.rng.delay(secs(20.0));
                world.restart(router, false, pause);
            }
            2 => world.flap(router, 0, false),
            3 => world.flap(router, 0, true),
            // One of two addresses, neither of which is another router's.
            4 => {
                let octet = router as u8 + *world.rng.pick(&[1, 51]);
                world.renumber(router, 0, Ipv4Addr::new(10, 1, 0, octet));
            }
            _ => {
                let config = config(&mut world);
                world.interfaces.insert((router, 0), Some(config));
                world.reconfigure(router, 0);
            }
        }
    }
    // What is under way arrives, too.
    world.calm();
    world.run_for(secs(3.5 * PERIOD + 5.0));
    world.check_links()?;
    // Who says goodbye is forgotten at once, and who is silent after its hold time.
    let [gone, silent] = [0, 1];
    world.restart(gone, true, secs(10_000.0));
    world.restart(silent, false, secs(10_000.0));
    world.run_for(secs(0.1));
    let known = |world: &World, router: usize| {
        let neighbors = world.pim(router).neighbors(world.now);
        let mut known: Vec<u8> = neighbors
            .map(|neighbor| (neighbor.address.octets()[3] - 1) % 50)
            .collect();
        known.sort_unstable();
        known
    };
    if known(&world, 4) != [1, 2, 3] {
        return Err(format!("after a goodbye {:?} are left", known(&world, 4)));
    }
    world.run_for(secs(3.5 * PERIOD));
    if known(&world, 4) != [2, 3] {
        return Err(format!("after the hold time {:?} are left", known(&world, 4)));
    }
    Ok(world.messages)
}

#[test]
fn routers_of_a_link_agree() {
    let [sent, lost] = seeds::run("hellos", SEEDS, |seed, trace| run(seed, trace, None));
    assert!(sent > 0 && lost > 0);
}

/// The check can fail.
#[test]
fn goodbyes_that_do_not_arrive_are_found() {
    assert!((0..20).any(|seed| run(seed, false, Some(Sabotage::Goodbyes)).is_err()));
}
