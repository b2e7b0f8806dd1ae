//! Streams through the router: who receives them and who does not, packet for packet.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::membership::Membership;
use super::sender::{self, Sender, Stream};
use super::{Lab, interrupt};

/// Between two packets of a stream: 200 a second.
const INTERVAL: Duration = Duration::from_millis(5);

/// How long the last packets may be under way on a busy machine.
const ARRIVAL: Duration = Duration::from_secs(3);

/// How long to look for packets that should not be there after those that should have come.
const QUIET: Duration = Duration::from_millis(100);

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The sender on a network of the router.
    Near,
    /// The one behind the other router.
    Far,
}

impl Origin {
    fn sender(self, lab: &Lab) -> &Sender {
        match self {
            Self::Near => &lab.sender,
            Self::Far => &lab.far,
        }
    }
}

/// What becomes of a stream.
pub(crate) struct Expectation {
    stream: Stream,
    /// Whose interfaces it should reach, in the order of the lab's hosts.
    arrives: [bool; 3],
    /// Whose sockets it should reach.
    read: [bool; 3],
}

impl Expectation {
    /// The stream should reach the interfaces of these hosts, and sockets there.
    pub(crate) fn new(stream: Stream, receivers: [bool; 3]) -> Self {
        Self {
            stream,
            arrives: receivers,
            read: receivers,
        }
    }

    /// It should reach the interface of this host, and no socket: the router does not know that it has left.
    pub(crate) fn unread_by(mut self, host: usize) -> Self {
        self.read[host] = false;
        self
    }
}

/// How many packets of a stream came, as long as they came in order and once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    packets: u32,
    last: Option<u32>,
    disordered: bool,
}

impl Count {
    fn add(&mut self, number: u32) {
        self.packets += 1;
        self.disordered |= self.last.is_some_and(|last| number <= last);
        self.last = Some(number);
    }
}

/// What came where, by host and stream.
#[derive(Default)]
struct Counts(BTreeMap<(usize, Stream), Count>);

impl Counts {
    fn add(&mut self, host: usize, stream: Stream, number: u32) {
        self.0.entry((host, stream)).or_default().add(number);
    }

    fn get(&self, host: usize, stream: Stream) -> Count {
        self.0.get(&(host, stream)).copied().unwrap_or_default()
    }
}

/// Sends `packets` packets of each stream, counts at each host what reaches its interface and what its memberships'
/// sockets read, and shows both.
///
/// # Errors
///
/// When it is not what was expected, when igmpd ends, or on Ctrl-C.
pub(crate) fn send(
    lab: &mut Lab,
    origin: Origin,
    packets: u32,
    expected: &[Expectation],
    memberships: &[(usize, &Membership)],
) -> Result<()> {
    let streams: Vec<Stream> = expected.iter().map(|row| row.stream).collect();
    let first = origin.sender(lab).next_number();
    let mut arrived = Counts::default();
    let mut read = Counts::default();
    let started = Instant::now();
    for round in 0..packets {
        interrupt::check()?;
        // Packets that are late for a busy machine are sent at once, so that the rate is kept.
        thread::sleep((INTERVAL * round).saturating_sub(started.elapsed()));
        origin.sender(lab).send(&streams)?;
        collect(lab, memberships, first, &mut arrived, &mut read)?;
    }
    let sent = Instant::now();
    while !is_there(expected, packets, &arrived, &read) && sent.elapsed() < ARRIVAL {
        interrupt::check()?;
        thread::sleep(INTERVAL);
        collect(lab, memberships, first, &mut arrived, &mut read)?;
    }
    thread::sleep(QUIET);
    collect(lab, memberships, first, &mut arrived, &mut read)?;
    show(lab, packets, expected, &arrived, &read);
    lab.router.check_alive()?;
    for row in expected {
        for (host, name) in names(lab).iter().enumerate() {
            let counts = [
                ("interface", row.arrives[host], arrived.get(host, row.stream)),
                ("sockets", row.read[host], read.get(host, row.stream)),
            ];
            for (place, wanted, count) in counts {
                let wanted = if wanted { packets } else { 0 };
                if count.packets != wanted || count.disordered {
                    bail!(
                        "of {packets} packets from {}, {} reached the {place} of {name}{} instead of {wanted}{}",
                        row.stream,
                        count.packets,
                        if count.disordered { " out of order" } else { "" },
                        lab.router.log()
                    );
                }
            }
        }
    }
    Ok(())
}

/// Takes what has come since the last time. Packets of earlier rounds than `first` are late and count nowhere.
fn collect(
    lab: &Lab,
    memberships: &[(usize, &Membership)],
    first: u32,
    arrived: &mut Counts,
    read: &mut Counts,
) -> Result<()> {
    let number = |payload: &[u8]| sender::number(payload).filter(|number| *number >= first);
    for (host, place) in lab.hosts.iter().enumerate() {
        place.tap().drain(|stream, payload| {
            if let Some(number) = number(payload) {
                arrived.add(host, stream, number);
            }
        })?;
    }
    for (host, membership) in memberships {
        membership.drain(|stream, payload| {
            if let Some(number) = number(payload) {
                read.add(*host, stream, number);
            }
        })?;
    }
    Ok(())
}

/// Whether all that should come is there.
fn is_there(expected: &[Expectation], packets: u32, arrived: &Counts, read: &Counts) -> bool {
    expected.iter().all(|row| {
        (0..row.arrives.len()).all(|host| {
            (!row.arrives[host] || arrived.get(host, row.stream).packets >= packets)
                && (!row.read[host] || read.get(host, row.stream).packets >= packets)
        })
    })
}

/// What the hosts are called in the table: `v1 on lan1`.
fn names(lab: &Lab) -> [String; 3] {
    lab.hosts
        .each_ref()
        .map(|host| format!("v{} on {}", host.version(), host.router_interface()))
}

fn show(lab: &Lab, packets: u32, expected: &[Expectation], arrived: &Counts, read: &Counts) {
    let mut rows = vec![["Stream".to_owned(), "Sent".to_owned()].to_vec()];
    rows[0].extend(names(lab));
    for row in expected {
        let mut cells = vec![row.stream.to_string(), packets.to_string()];
        for host in 0..row.arrives.len() {
            cells.push(cell(
                arrived.get(host, row.stream).packets,
                read.get(host, row.stream).packets,
            ));
        }
        rows.push(cells);
    }
    print!("{}", table(&rows));
}

/// What reached an interface, and what sockets read of it where that is something else.
fn cell(arrived: u32, read: u32) -> String {
    if arrived == read {
        arrived.to_string()
    } else {
        format!("{arrived} ({read} read)")
    }
}

/// Cells in columns: the first to the left, the others to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column == 0 {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("  {cell:>width$}"));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_counts_and_must_come_once_and_in_order() {
        let counted = |numbers: &[u32]| {
            let mut count = Count::default();
            for number in numbers {
                count.add(*number);
            }
            (count.packets, count.disordered)
        };
        assert_eq!(counted(&[]), (0, false));
        assert_eq!(counted(&[3, 4, 9]), (3, false));
        assert_eq!(counted(&[3, 3]), (2, true));
        assert_eq!(counted(&[4, 3, 5]), (3, true));
    }

    #[test]
    fn a_table_has_names_to_the_left_and_numbers_to_the_right() {
        let rows = [
            vec!["Stream".to_owned(), "Sent".to_owned(), "v1 on lan1".to_owned()],
            vec![
                "192.0.2.1 to 239.1.1.1".to_owned(),
                "400".to_owned(),
                cell(400, 400),
            ],
            vec![
                "192.0.2.1 to 239.2.2.2".to_owned(),
                "400".to_owned(),
                cell(400, 0),
            ],
        ];
        assert_eq!(
            table(&rows),
            "\
Stream                  Sent    v1 on lan1
192.0.2.1 to 239.1.1.1   400           400
192.0.2.1 to 239.2.2.2   400  400 (0 read)
"
        );
    }
}
