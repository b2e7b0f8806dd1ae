//! igmpd from its command line to its end.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::timeout,
};
use tracing::{error, warn};
use tracing_subscriber::EnvFilter;

use crate::{
    agent::{Agent, Inputs, Parts, Signals},
    config::{self, Config},
    control::{self, ControlSocket, Handle, MONITOR_BACKLOG, REQUEST_BACKLOG},
    kernel::{BpfLogLevel, Kernel, LoadOptions},
    netlink, privileges, readiness,
    sys::PacketSocket,
};

/// How long answers that are under way may take when igmpd stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// The agent of the IGMP router: learns memberships with XDP, sends queries, keeps time.
#[derive(Debug, Parser)]
#[command(name = "igmpd", version)]
struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/igmpd.toml")]
    config: PathBuf,
    /// Only say what is wrong with the configuration.
    #[arg(long)]
    check: bool,
    /// Leave the XDP program attached and its maps in place when stopping, for the next igmpd to take over.
    #[arg(long)]
    keep_pins: bool,
    /// What to log: off, error, warn, info, debug, trace, or directives as in RUST_LOG, which it goes before.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Runs igmpd. Errors are on stderr, and make the exit code 1.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = start_log(arguments.log_level.as_deref()) {
        eprintln!("igmpd: {error:#}");
        return ExitCode::FAILURE;
    }
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if arguments.check {
        for sentence in &config.without_effect {
            eprintln!("warning: {sentence}");
        }
        return ExitCode::SUCCESS;
    }
    match run(config, arguments.config, arguments.keep_pins) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(level: Option<&str>) -> anyhow::Result<()> {
    let builder = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
    // What the XDP program logs is decided by `bpf-log-level` alone; all of that is let through.
    let filter = match level {
        // A mere level is meant for igmpd, not for the libraries that it is built of.
        Some(level) if level.bytes().all(|byte| byte.is_ascii_alphabetic()) => builder
            .parse(format!("warn,igmp_user={level},igmp_ebpf=debug"))
            .context("--log-level")?,
        Some(directives) => builder.parse(directives).context("--log-level")?,
        None if std::env::var_os(EnvFilter::DEFAULT_ENV).is_none() => builder
            .parse("info,igmp_ebpf=debug")
            .context("the default of RUST_LOG")?,
        None => builder.from_env().context("RUST_LOG")?,
    };
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .init();
    Ok(())
}

fn run(config: Config, config_path: PathBuf, keep_pins: bool) -> anyhow::Result<()> {
    privileges::check()?;
    // One thread, because the agent shares nothing and handlers of the control socket have little to do.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(serve(config, config_path, keep_pins))
}

async fn serve(config: Config, config_path: PathBuf, keep_pins: bool) -> anyhow::Result<()> {
    // Before there is anything to leave behind.
    let signals = Signals::new().context("cannot wait for signals")?;
    // Before anything is attached: another igmpd must not lose its programs to this one.
    let socket = ControlSocket::bind(&config.control_socket)?;
    let interfaces = netlink::watch().await?;
    let routes = netlink::watch_routes().await?;
    let local_groups = netlink::watch_local_groups().await?;
    let asker = netlink::RouteAsker::new()?;
    let mut kernel = Kernel::load(&LoadOptions {
        max_groups: config.max_groups,
        max_entries: config.max_entries,
        event_ring_len: config.event_ring_size,
        pin_path: Some(config.bpf_pin_path.clone()),
        log_level: match config.bpf_log_level {
            config::BpfLogLevel::Off => BpfLogLevel::Off,
            config::BpfLogLevel::Error => BpfLogLevel::Error,
            config::BpfLogLevel::Warn => BpfLogLevel::Warn,
            config::BpfLogLevel::Info => BpfLogLevel::Info,
            config::BpfLogLevel::Debug => BpfLogLevel::Debug,
        },
    })?;
    if let Some(logger) = kernel.take_logger() {
        tokio::spawn(readiness::forward_log(logger));
    }
    let packets = PacketSocket::new().context("cannot open a socket for queries")?;

    let (monitor, _) = broadcast::channel(MONITOR_BACKLOG);
    let (sender, requests) = mpsc::channel(REQUEST_BACKLOG);
    let (stop, stopping) = watch::channel(false);
    let handle = Handle {
        requests: sender,
        monitor: monitor.clone(),
    };
    let server = tokio::spawn(control::serve(socket, handle, stopping));

    let mut agent = Agent::new(Parts {
        config,
        config_path,
        kernel,
        packets,
        monitor,
        asker,
    })?;
    let outcome = agent
        .run(Inputs {
            interfaces,
            routes,
            local_groups,
            requests,
            signals,
        })
        .await;

    // The next igmpd would have to ask for all of it again.
    if outcome.is_ok() && !keep_pins {
        agent.leave_upstream().await;
    }
    // Nobody is left who would look at the value after the server has ended.
    let _ = stop.send(true);
    if timeout(FAREWELL, server).await.is_err() {
        warn!("an answer on the control socket was cut off");
    }
    agent.release(keep_pins);
    outcome.context("igmpd cannot go on")
}
