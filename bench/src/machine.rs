//! Where it was measured, and with what.

use std::{
    fmt::{self, Display, Formatter},
    fs,
    path::Path,
    process::Command,
    thread,
};

use nix::sys::utsname::uname;
use serde::{Deserialize, Serialize};

/// The machine and the versions of those that were measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The name of the processor.
    pub(crate) processor: String,
    /// How many processors there are.
    pub(crate) processors: usize,
    /// Memory in bytes.
    pub(crate) memory: u64,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// Whether it says that it runs under a hypervisor.
    pub(crate) is_virtual: bool,
    /// Names and versions of the other contestants.
    pub(crate) versions: Vec<(String, String)>,
}

impl Machine {
    /// Looks at this machine, and at the packages that were unpacked for it.
    pub(crate) fn look(contestants: &Path) -> Self {
        let processor_info = read("/proc/cpuinfo");
        let field = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
                .unwrap_or_default()
        };
        let kilobytes = field(&read("/proc/meminfo"), "MemTotal");
        let mut versions = vec![("FRRouting".to_owned(), installed("frr"))];
        versions.push(("iproute2".to_owned(), installed("iproute2")));
        versions.extend(unpacked(contestants));
        Self {
            processor: field(&processor_info, "model name"),
            processors: thread::available_parallelism().map_or(0, usize::from),
            memory: kilobytes
                .split_whitespace()
                .next()
                .and_then(|number| number.parse::<u64>().ok())
                .unwrap_or(0)
                * 1024,
            kernel: uname().map_or_else(
                |_| String::new(),
                |name| name.release().to_string_lossy().into_owned(),
            ),
            is_virtual: field(&processor_info, "flags")
                .split(' ')
                .any(|flag| flag == "hypervisor"),
            versions,
        }
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = if self.is_virtual {
            ", a virtual machine"
        } else {
            ""
        };
        writeln!(f, "- {} × {}{kind}", self.processors, self.processor)?;
        writeln!(f, "- {:.1} GB of memory", self.memory as f64 / 1e9)?;
        writeln!(
            f,
            "- Linux {} (the bridge and the kernel's multicast routing are of it)",
            self.kernel
        )?;
        for (name, version) in &self.versions {
            writeln!(f, "- {name} {version}")?;
        }
        Ok(())
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The version of an installed package.
fn installed(package: &str) -> String {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Version}", package])
        .output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => "of an unknown version".to_owned(),
    }
}

/// Names and versions of unpacked packages, from the names of the files that they came in: `name_version_machine.deb`.
fn unpacked(directory: &Path) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut versions: Vec<(String, String)> = entries
        .flatten()
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let mut parts = file.strip_suffix(".deb")?.split('_');
            Some((parts.next()?.to_owned(), parts.next()?.replace("%3a", ":")))
        })
        .collect();
    versions.sort();
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_unpacked_packages() {
        let directory = std::env::temp_dir().join(format!("bench-packages-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        for name in ["pimd_2.3.2-3+b2_amd64.deb", "igmpproxy_0.3-1_amd64.deb", "pimd"] {
            fs::write(directory.join(name), "").expect("a file");
        }
        let found = unpacked(&directory);
        fs::remove_dir_all(&directory).expect("the directory is still there");
        let wanted = [("igmpproxy", "0.3-1"), ("pimd", "2.3.2-3+b2")];
        assert!(
            found
                .iter()
                .map(|(name, version)| (name.as_str(), version.as_str()))
                .eq(wanted)
        );
    }

    #[test]
    fn this_machine_has_processors_and_a_kernel() {
        let machine = Machine::look(Path::new("/nonexistent"));
        assert!(machine.processors > 0 && machine.memory > 0);
        assert!(machine.kernel.contains('.'), "{machine:?}");
    }
}
