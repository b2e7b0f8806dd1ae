//! Making port sets in a thread of its own.
//!
//! With each set that is redirected to the kernel waits for all packets under way, which takes tens of milliseconds. The
//! agent has other things to do meanwhile.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use igmp_wire::abi::PortSet;
use tracing::error;

use crate::kernel::PortSetMaker;

/// How many orders may wait before some are taken back that nobody needs any more: half a second's work.
const CROWD: usize = 16;

/// A set to be made.
#[derive(Debug)]
pub(super) struct Job {
    /// Its number.
    pub(super) number: u32,
    /// What the kernel is told.
    pub(super) set: PortSet,
    /// The devices that are redirected to, by slot and index. None for a set that is over.
    pub(super) devices: Vec<(u32, u32)>,
    /// Whether it goes before others.
    pub(super) urgent: bool,
}

/// Who makes sets.
#[derive(Debug)]
pub(super) struct Maker(Arc<Workshop>);

#[derive(Debug, Default)]
struct Workshop {
    orders: Mutex<Orders>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Orders {
    urgent: VecDeque<(u64, Job)>,
    others: VecDeque<(u64, Job)>,
    /// The last order for each number, until it has been carried out. What was ordered before is not wanted any more.
    last: HashMap<u32, u64>,
    count: u64,
    closed: bool,
}

impl Orders {
    /// A new order for a number, which makes all earlier ones void.
    fn order(&mut self, number: u32) -> u64 {
        self.count += 1;
        self.last.insert(number, self.count);
        self.count
    }

    fn is_void(&self, number: u32, version: u64) -> bool {
        self.last.get(&number) != Some(&version)
    }
}

impl Maker {
    /// Starts the thread, which ends when this is dropped.
    ///
    /// # Errors
    ///
    /// Where there can be no further thread.
    pub(super) fn start(sets: PortSetMaker) -> io::Result<Self> {
        let workshop = Arc::new(Workshop::default());
        let shared = Arc::clone(&workshop);
        thread::Builder::new()
            .name("port-sets".to_owned())
            .spawn(move || shared.work(sets))?;
        Ok(Self(workshop))
    }

    /// Orders a set. Earlier orders of the same number are void then.
    pub(super) fn order(&self, job: Job) {
        let mut orders = self.0.lock();
        let version = orders.order(job.number);
        let queue = if job.urgent {
            &mut orders.urgent
        } else {
            &mut orders.others
        };
        queue.push_back((version, job));
        drop(orders);
        self.0.news.notify_one();
    }

    /// Takes back the last order for a number where many others wait, and does nothing where not: then the set will soon be
    /// made, for a member that comes and goes to find it. Returns whether it was taken back.
    pub(super) fn withdraw(&self, number: u32) -> bool {
        let mut orders = self.0.lock();
        let is_crowded = orders.urgent.len() + orders.others.len() > CROWD;
        is_crowded && orders.last.remove(&number).is_some()
    }

    /// Does something with a set that makes all earlier orders for it void: `change` is what the kernel is told instead.
    pub(super) fn instead<T>(&self, number: u32, change: impl FnOnce() -> T) -> T {
        let mut orders = self.0.lock();
        orders.last.remove(&number);
        change()
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.news.notify_one();
    }
}

impl Workshop {
    fn lock(&self) -> MutexGuard<'_, Orders> {
        // Nothing in it is ever half done.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<(u64, Job)> {
        let mut orders = self.lock();
        loop {
            if orders.closed {
                return None;
            }
            let next = orders.urgent.pop_front();
            if let Some((version, job)) = next.or_else(|| orders.others.pop_front()) {
                if orders.is_void(job.number, version) {
                    continue;
                }
                return Some((version, job));
            }
            orders = self.news.wait(orders).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self, mut sets: PortSetMaker) {
        while let Some((version, job)) = self.next() {
            let Job {
                number, set, devices, ..
            } = job;
            let outcome = sets.make_devices(number, &devices).and_then(|()| {
                let mut orders = self.lock();
                if orders.is_void(number, version) {
                    return Ok(());
                }
                orders.last.remove(&number);
                sets.describe(number, &set)
            });
            if let Err(error) = outcome {
                error!("forwarding does not follow: {error}");
            }
        }
    }
}
