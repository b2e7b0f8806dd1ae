//! Attaching to interfaces and taking links over.

use std::{fs, io};

use aya::{
    programs::{
        ProgramError,
        links::{FdLink, PinnedLink},
        loaded_programs,
        xdp::{XdpLink, XdpLinkId, XdpMode as AyaMode},
    },
    sys::SyscallError,
};
use tracing::{debug, info, warn};

use super::{Kernel, KernelError};

/// The mode that an operator asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpWish {
    /// Native where the driver can, else generic.
    #[default]
    Auto,
    /// In the driver or not at all.
    Native,
    /// In the network stack, on any interface, slower.
    Generic,
}

impl XdpWish {
    /// Whether attaching in this mode is what was asked for.
    const fn allows(self, mode: XdpMode) -> bool {
        match self {
            Self::Auto => true,
            Self::Native => matches!(mode, XdpMode::Native),
            Self::Generic => matches!(mode, XdpMode::Generic),
        }
    }
}

/// The mode in which a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver.
    Native,
    /// In the network stack.
    Generic,
}

impl XdpMode {
    /// The mode's name in configuration and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// A program on an interface.
#[derive(Debug)]
pub(super) struct Attachment {
    id: XdpLinkId,
    mode: XdpMode,
}

impl Kernel {
    /// Attaches the program to an interface. A link that an earlier igmpd left pinned is taken over without a gap: the
    /// kernel replaces the program in it.
    ///
    /// # Errors
    ///
    /// [`KernelError::Busy`] where somebody else's program is attached, [`KernelError::Attach`] for any other reason.
    pub fn attach(&mut self, ifindex: u32, interface: &str, wish: XdpWish) -> Result<XdpMode, KernelError> {
        self.detach(ifindex);
        if let Some(mode) = self.take_over(ifindex, wish) {
            return Ok(mode);
        }
        let mut reasons = Vec::new();
        for mode in [XdpMode::Native, XdpMode::Generic]
            .into_iter()
            .filter(|&mode| wish.allows(mode))
        {
            match self.attach_in(ifindex, mode) {
                Ok(id) => {
                    self.links.insert(ifindex, Attachment { id, mode });
                    return Ok(mode);
                }
                Err(error) if is_busy(&error) => {
                    return Err(KernelError::Busy {
                        interface: interface.to_owned(),
                    });
                }
                Err(error) => {
                    let reason = format!("{} mode: {}", mode.name(), describe(&error));
                    info!(interface, "not attached in {reason}");
                    reasons.push(reason);
                }
            }
        }
        Err(KernelError::Attach {
            interface: interface.to_owned(),
            reason: reasons.join("; "),
        })
    }

    /// Detaches the program from an interface. Nothing happens where it is not attached.
    pub fn detach(&mut self, ifindex: u32) {
        let Some(attachment) = self.links.remove(&ifindex) else {
            return;
        };
        if let Some(pins) = &self.pins {
            let path = pins.link(ifindex, attachment.mode);
            // The interface may be gone, and with it the link, while the file still stands.
            if path.exists()
                && let Err(error) = fs::remove_file(&path)
            {
                warn!("cannot remove {}: {error}", path.display());
            }
        }
        let outcome = self.router().map(|program| program.detach(attachment.id));
        if let Ok(Err(error)) = outcome {
            debug!("detaching from interface {ifindex}: {error}");
        }
    }

    /// Drops links that an earlier igmpd left pinned to interfaces that are not configured any more. To be called after
    /// all configured interfaces were attached.
    pub fn drop_stale_links(&mut self) {
        let Some(pins) = &self.pins else { return };
        for (ifindex, mode) in pins.pinned_links() {
            if self
                .links
                .get(&ifindex)
                .is_none_or(|attachment| attachment.mode != mode)
            {
                let path = pins.link(ifindex, mode);
                if let Err(error) = fs::remove_file(&path) {
                    warn!("cannot remove {}: {error}", path.display());
                }
            }
        }
    }

    fn attach_in(&mut self, ifindex: u32, mode: XdpMode) -> Result<XdpLinkId, ProgramError> {
        let pin = self.pins.as_ref().map(|pins| pins.link(ifindex, mode));
        let program = match self.router() {
            Ok(program) => program,
            // The program was found when it was loaded.
            Err(_) => return Err(ProgramError::NotLoaded),
        };
        let aya_mode = match mode {
            XdpMode::Native => AyaMode::Driver,
            XdpMode::Generic => AyaMode::Skb,
        };
        let id = program.attach_to_if_index(ifindex, aya_mode)?;
        let Some(path) = pin else { return Ok(id) };
        // aya falls back to a netlink attachment where links are refused, and that cannot be pinned.
        let link =
            FdLink::try_from(program.take_link(id)?).map_err(|_| ProgramError::UnexpectedProgramType)?;
        match link.pin(&path) {
            Ok(pinned) => {
                let link = XdpLink::try_from(FdLink::from(pinned))
                    .map_err(|_| ProgramError::UnexpectedProgramType)?;
                program.attach_to_link(link)
            }
            Err(error) => {
                // The link went with the failed pin, so it is attached again without.
                warn!("cannot pin the link at {}: {error}", path.display());
                program.attach_to_if_index(ifindex, aya_mode)
            }
        }
    }

    /// Takes over the pinned link of an interface, if there is one in a mode that is asked for.
    fn take_over(&mut self, ifindex: u32, wish: XdpWish) -> Option<XdpMode> {
        for mode in [XdpMode::Native, XdpMode::Generic] {
            let path = self.pins.as_ref()?.link(ifindex, mode);
            if !path.exists() {
                continue;
            }
            if wish.allows(mode)
                && let Some(id) = self.replace_program(&path)
            {
                self.links.insert(ifindex, Attachment { id, mode });
                return Some(mode);
            }
            // The link of an interface that is gone, or in a mode that is not wanted: the program is attached anew.
            let _ = fs::remove_file(&path);
        }
        None
    }

    fn replace_program(&mut self, path: &std::path::Path) -> Option<XdpLinkId> {
        let pinned = PinnedLink::from_pin(path).ok()?;
        let link = XdpLink::try_from(FdLink::from(pinned)).ok()?;
        self.router().ok()?.attach_to_link(link).ok()
    }
}

/// Whether attaching failed because something else is attached.
fn is_busy(error: &ProgramError) -> bool {
    matches!(
        error,
        ProgramError::SyscallError(SyscallError { io_error, .. })
            if matches!(io_error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST))
    )
}

/// The reason that a system call gave, or the error as it is.
fn describe(error: &ProgramError) -> String {
    match error {
        ProgramError::SyscallError(SyscallError { call, io_error }) => explain(call, io_error),
        other => other.to_string(),
    }
}

fn explain(call: &str, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => "the driver does not support it".to_owned(),
        Some(libc::EPERM | libc::EACCES) => "not permitted; CAP_NET_ADMIN and CAP_BPF are needed".to_owned(),
        Some(libc::ENODEV) => "there is no such interface".to_owned(),
        _ => format!("{call}: {error}"),
    }
}

/// The name of a loaded program, for telling an operator whose it is. `None` where the kernel does not tell.
pub fn program_name(id: u32) -> Option<String> {
    let info = loaded_programs().flatten().find(|info| info.id() == id)?;
    info.name_as_str().map(str::to_owned)
}
