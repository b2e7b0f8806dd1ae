//! What igmpd needs to be allowed to do.

use rustix::thread::{CapabilitySet, capabilities};

/// The oldest kernel that has what the XDP program uses.
const OLDEST_KERNEL: (u32, u32) = (6, 1);

/// What is missing, in a sentence that says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivilegeError {
    /// Capabilities are missing.
    #[error(
        "igmpd lacks {missing}; run it as root, or give them to it with `setcap {grant}=ep /path/to/igmpd` or with \
         `AmbientCapabilities={unit}` in its systemd unit"
    )]
    Missing {
        /// The capabilities and what each is for.
        missing: String,
        /// All that are needed, for `setcap`.
        grant: String,
        /// All that are needed, for systemd.
        unit: String,
    },
    /// The kernel is too old.
    #[error("this is Linux {found}, and igmpd needs {}.{} or newer", OLDEST_KERNEL.0, OLDEST_KERNEL.1)]
    OldKernel {
        /// The release that `uname` tells.
        found: String,
    },
}

/// The capabilities that are needed, with name and purpose. `CAP_SYS_ADMIN` includes `CAP_BPF` and `CAP_PERFMON`.
const NEEDED: [(CapabilitySet, bool, &str, &str); 4] = [
    (CapabilitySet::BPF, true, "CAP_BPF", "to load the XDP program"),
    (
        CapabilitySet::PERFMON,
        true,
        "CAP_PERFMON",
        "to have the verifier accept it",
    ),
    (
        CapabilitySet::NET_ADMIN,
        false,
        "CAP_NET_ADMIN",
        "to attach it to interfaces",
    ),
    (CapabilitySet::NET_RAW, false, "CAP_NET_RAW", "to send queries"),
];

/// Checks the kernel's release and the capabilities of this process.
///
/// # Errors
///
/// See [`PrivilegeError`]. A kernel that does not tell the capabilities is taken to allow everything; it refuses later.
pub fn check() -> Result<(), PrivilegeError> {
    let uname = rustix::system::uname();
    check_release(&uname.release().to_string_lossy())?;
    match capabilities(None) {
        Ok(sets) => check_capabilities(sets.effective),
        Err(_) => Ok(()),
    }
}

fn check_release(release: &str) -> Result<(), PrivilegeError> {
    let mut numbers = release
        .split(|char: char| !char.is_ascii_digit())
        .map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST_KERNEL => Err(PrivilegeError::OldKernel {
            found: release.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn check_capabilities(effective: CapabilitySet) -> Result<(), PrivilegeError> {
    let missing: Vec<String> = NEEDED
        .into_iter()
        .filter(|(capability, of_admin, ..)| {
            let by_admin = *of_admin && effective.contains(CapabilitySet::SYS_ADMIN);
            !by_admin && !effective.contains(*capability)
        })
        .map(|(_, _, name, purpose)| format!("{name} ({purpose})"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = NEEDED.map(|(_, _, name, _)| name);
    Err(PrivilegeError::Missing {
        missing: missing.join(", "),
        grant: names.join(",").to_lowercase(),
        unit: names.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_are_named() {
        for release in ["6.1.0-13-amd64", "6.18.44", "7.0.0", "10.2", "unheard of"] {
            assert_eq!(check_release(release), Ok(()), "{release}");
        }
        let error = check_release("5.10.0-28-amd64").expect_err("too old");
        assert_eq!(
            error.to_string(),
            "this is Linux 5.10.0-28-amd64, and igmpd needs 6.1 or newer"
        );
    }

    #[test]
    fn missing_capabilities_are_named_with_a_remedy() {
        let error =
            check_capabilities(CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::NET_ADMIN)
                .expect_err("CAP_NET_RAW is missing");
        assert_eq!(
            error.to_string(),
            "igmpd lacks CAP_NET_RAW (to send queries); run it as root, or give them to it with `setcap \
             cap_bpf,cap_perfmon,cap_net_admin,cap_net_raw=ep /path/to/igmpd` or with `AmbientCapabilities=CAP_BPF \
             CAP_PERFMON CAP_NET_ADMIN CAP_NET_RAW` in its systemd unit"
        );
        let admin = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
        assert_eq!(check_capabilities(admin), Ok(()));
    }
}
