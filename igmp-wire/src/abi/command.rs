//! What the agent has done in the maps, in place.
//!
//! `bpf_map_update_elem` replaces a whole value, so an agent that changes a flag with it would undo whatever the XDP
//! program wrote meanwhile: a refresh, or the mark of a lost event. Commands avoid that. They travel as the payload of a
//! packet to a program that is run by `BPF_PROG_TEST_RUN` and never attached; it changes flags atomically in place and
//! writes what it found back into the packet.

/// How many commands fit into one run: a test run's packet is less than one page.
pub const MAX_COMMANDS: usize = 56;

/// What to do; the value of [`Command::operation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Operation {
    /// Read the entry.
    Read = 0,
    /// Clear the bits of `clear`, then set those of `set`, then read the entry. Nothing where there is no entry.
    Change = 1,
    /// Like `Change`, but where there is no entry insert one with the flags of `set` and the times of `last_report`.
    /// The limits of an interface do not apply, those of the map do.
    Upsert = 2,
    /// Delete the entry if none of its times is later than `last_report[0]` and it carries no mark of a lost event; read
    /// it in either case.
    DeleteUnlessNewer = 3,
    /// Set the route of `group` and `source` (0 for sources without a route of their own): to the port set `set`, for
    /// packets that come in as `clear` says; see [`RouteEntry`](super::RouteEntry).
    SetRoute = 4,
    /// Remove the route of `group` and `source`.
    RemoveRoute = 5,
}

/// How it went; the value of [`Command::status`] afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CommandStatus {
    /// The command was not reached.
    NotRun = 0,
    /// Done, and the entry's fields were read.
    Done = 1,
    /// There is no such entry.
    Missing = 2,
    /// The map is full.
    Full = 3,
    /// The entry was not deleted because it is newer.
    Newer = 4,
}

impl CommandStatus {
    /// The status with this number; [`CommandStatus::NotRun`] for any other.
    pub const fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Done,
            2 => Self::Missing,
            3 => Self::Full,
            4 => Self::Newer,
            _ => Self::NotRun,
        }
    }
}

/// One command, and after the run its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Command {
    /// In: the times for an insertion or a comparison. Out: those of the entry; a source has only the first.
    pub last_report: [u64; 3],
    /// [`Operation`] as a number.
    pub operation: u32,
    /// Out: [`CommandStatus`] as a number. In: 0.
    pub status: u32,
    /// The interface's slot.
    pub slot: u32,
    /// The group.
    pub group: u32,
    /// The source, or 0 for the group itself.
    pub source: u32,
    /// Flags to clear, or where packets of a route come in.
    pub clear: u32,
    /// In: flags to set, or the port set of a route. Out: the entry's flags as they were before.
    pub set: u32,
    /// In: the reporter of an insertion. Out: the entry's reporter.
    pub reporter: u32,
}

const _: () = assert!(size_of::<Command>() == 56);

impl Command {
    /// Length in the packet, in bytes.
    pub const LEN: usize = size_of::<Self>();

    /// The bytes of this command, in native order.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let Self {
            last_report: [first, second, third],
            operation,
            status,
            slot,
            group,
            source,
            clear,
            set,
            reporter,
        } = *self;
        let mut bytes = [0; Self::LEN];
        let (times, words) = bytes.split_at_mut(24);
        for (to, from) in times.chunks_exact_mut(8).zip([first, second, third]) {
            to.copy_from_slice(&from.to_ne_bytes());
        }
        let fields = [operation, status, slot, group, source, clear, set, reporter];
        for (to, from) in words.chunks_exact_mut(4).zip(fields) {
            to.copy_from_slice(&from.to_ne_bytes());
        }
        bytes
    }

    /// The command that these bytes are, or `None` where there are too few.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let time = |index: usize| Some(u64::from_ne_bytes(*bytes.get(index * 8..)?.first_chunk()?));
        let word = |index: usize| Some(u32::from_ne_bytes(*bytes.get(24 + index * 4..)?.first_chunk()?));
        Some(Self {
            last_report: [time(0)?, time(1)?, time(2)?],
            operation: word(0)?,
            status: word(1)?,
            slot: word(2)?,
            group: word(3)?,
            source: word(4)?,
            clear: word(5)?,
            set: word(6)?,
            reporter: word(7)?,
        })
    }
}
