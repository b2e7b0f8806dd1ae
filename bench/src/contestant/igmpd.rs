//! This router.

use std::{
    fs,
    io::{Read, Write},
    os::{fd::AsFd, fd::AsRawFd, unix::net::UnixStream},
    path::PathBuf,
    time::Duration,
};

use ::tests::{
    Igmpd, Namespace, Network,
    json::{InterfaceStatistics, Interfaces, Statistics},
};
use anyhow::{Context, Result, bail};
use aya::maps::MapData;
use serde::de::DeserializeOwned;

use super::Contestant;

/// How long it may take to answer while it is busy.
const ANSWER: Duration = Duration::from_secs(5);

/// A running `igmpd`.
#[derive(Debug)]
pub(crate) struct Router {
    igmpd: Igmpd,
    device: String,
}

impl Router {
    /// Starts `igmpd` on a device, with this configuration besides, and waits until its program is attached.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub(crate) fn start(network: &Network, namespace: &Namespace, device: &str, config: &str) -> Self {
        let igmpd = Igmpd::start_on(
            network,
            namespace,
            &[device],
            &format!("{config}\n[interfaces.{device}.igmp]\n"),
        );
        Self {
            igmpd,
            device: device.to_owned(),
        }
    }

    /// What was counted on the device.
    ///
    /// # Errors
    ///
    /// When the agent does not tell.
    pub(crate) fn statistics(&self) -> Result<(Statistics, InterfaceStatistics)> {
        let all: Statistics = self.get("/v1/statistics")?;
        let device = all
            .interface
            .iter()
            .find(|interface| interface.interface_name == self.device)
            .cloned()
            .with_context(|| format!("igmpd counts nothing on {}", self.device))?;
        Ok((all, device))
    }

    /// Asks the agent without starting a program for it, which on a small machine would be a disturbance of its own.
    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let mut stream = UnixStream::connect(&self.igmpd.paths().socket).context("igmpd does not listen")?;
        stream.set_read_timeout(Some(ANSWER)).context("a time limit")?;
        // An answer to HTTP/1.0 comes in one piece.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: igmpd\r\n\r\n").context("igmpd reads no request")?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .context("igmpd does not answer")?;
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            bail!("igmpd breaks off its answer");
        };
        if !head.contains(" 200 ") {
            bail!("igmpd answers {head}");
        }
        serde_json::from_str(body).with_context(|| format!("igmpd answers {body}"))
    }

    /// The directory of the agent's pinned maps.
    fn pins(&self) -> Result<PathBuf> {
        let directory = &self.igmpd.paths().pins;
        let mut entries = fs::read_dir(directory).context("igmpd pins its maps")?.flatten();
        let entry = entries.next().context("igmpd pins its maps")?;
        Ok(entry.path())
    }
}

impl Contestant for Router {
    fn processes(&mut self) -> Vec<u32> {
        vec![self.igmpd.process().pid()]
    }

    fn known(&mut self) -> Result<u64> {
        let all: Interfaces = self.get("/v1/interfaces")?;
        all.interface
            .iter()
            .find(|interface| interface.interface_name == self.device)
            .and_then(|interface| interface.igmp.as_ref())
            .map(|igmp| u64::from(igmp.groups_count))
            .with_context(|| format!("igmpd has no IGMP on {}", self.device))
    }

    fn answers_at_once(&self) -> bool {
        true
    }

    /// It answers only between two events, and what it has not read yet shows in the groups that it knows.
    fn is_busy(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn refreshed(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.statistics()?.1.refreshed_in_kernel))
    }

    fn kernel_memory(&mut self) -> Result<Option<u64>> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.pins()?)
            .context("igmpd pins its maps")?
            .flatten()
        {
            // Links are pinned beside the maps.
            if let Ok(map) = MapData::from_pin(entry.path()) {
                bytes += memory(&map)?;
            }
        }
        Ok(Some(bytes))
    }

    fn losses(&mut self) -> Result<Vec<(&'static str, u64)>> {
        let (all, device) = self.statistics()?;
        Ok(vec![
            ("events lost", device.events_lost),
            ("resyncs", all.resyncs),
            ("refused", device.dropped.values().sum()),
        ])
    }
}

/// How much memory a map takes, as the kernel says.
fn memory(map: &MapData) -> Result<u64> {
    let path = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("memlock:"))
        .and_then(|bytes| bytes.trim().parse().ok())
        .with_context(|| format!("{path} does not tell the memory of a map"))
}
