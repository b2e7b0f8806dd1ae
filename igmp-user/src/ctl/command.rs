//! The command line of igmpctl, and what each command does.

use std::{
    io::{self, IsTerminal, Write},
    net::Ipv4Addr,
    os::fd::AsFd,
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use hyper::Method;
use serde_json::json;
use tokio::io::Interest;

use super::{
    client::{Client, ClientError},
    show,
    style::Style,
};
use crate::{
    api::{
        Cleared, Groups, Interfaces, Joins, MonitorEvent, Neighbors, PREFIX, Reloaded, Routes, Statistics,
        Version,
    },
    config::CONTROL_SOCKET,
    readiness,
};

/// Shows what the IGMP router knows, and tells it what to do.
#[derive(Debug, Parser)]
#[command(name = "igmpctl", version)]
struct Arguments {
    /// The control socket of igmpd.
    #[arg(short, long, global = true, value_name = "SOCKET", default_value = CONTROL_SOCKET)]
    socket: PathBuf,
    /// Print one JSON document (with monitor, one a line).
    #[arg(short, long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is known.
    #[command(subcommand)]
    Show(Show),
    /// Forget what is known, to learn it anew.
    #[command(subcommand)]
    Clear(Clear),
    /// Read the configuration again.
    Reload,
    /// Print what happens, as it happens, until stopped.
    Monitor,
    /// Print the versions of igmpctl and igmpd.
    Version,
}

#[derive(Debug, Subcommand)]
enum Show {
    /// Groups with members.
    Groups(Filter),
    /// Interfaces, and who queries there.
    Interfaces,
    /// Counters.
    Statistics,
    /// Multicast routes: where data comes in and goes out. An interface may be either.
    Routes(Filter),
    /// PIM neighbors.
    Neighbors,
    /// What is asked of upstream peers.
    Joins(Filter),
}

#[derive(Debug, Subcommand)]
enum Clear {
    /// Groups with members: those that still have some are back after the next query.
    Groups(Filter),
}

#[derive(Debug, Default, Args)]
struct Filter {
    /// Only this interface.
    #[arg(long, value_name = "IF")]
    interface: Option<String>,
    /// Only this group.
    #[arg(long, value_name = "G")]
    group: Option<Ipv4Addr>,
}

/// Why igmpctl failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Runs igmpctl. Errors are on stderr, and make the exit code 1.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors to clap, too.
            let code = if error.use_stderr() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            };
            // Without a stderr there is nobody to tell.
            let _ = error.print();
            return code;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("igmpctl: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough of it.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("igmpctl: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.socket);
    let style = Style::of_stdout();
    match &arguments.command {
        Command::Version => return version(&client, arguments.json).await,
        Command::Monitor => return monitor(&client, arguments.json).await,
        _ => {}
    }
    let (method, path) = request(&arguments.command);
    if arguments.json {
        return copy(&client, method, &path).await;
    }
    let text = match &arguments.command {
        Command::Show(Show::Groups(_)) => show::groups(&client.read::<Groups>(method, &path).await?, style),
        Command::Show(Show::Interfaces) => {
            show::interfaces(&client.read::<Interfaces>(method, &path).await?, style)
        }
        Command::Show(Show::Statistics) => {
            show::statistics(&client.read::<Statistics>(method, &path).await?, style)
        }
        Command::Show(Show::Routes(_)) => show::routes(&client.read::<Routes>(method, &path).await?, style),
        Command::Show(Show::Joins(_)) => show::joins(&client.read::<Joins>(method, &path).await?, style),
        Command::Clear(Clear::Groups(_)) => show::cleared(&client.read::<Cleared>(method, &path).await?),
        Command::Reload => show::reloaded(&client.read::<Reloaded>(method, &path).await?),
        Command::Show(Show::Neighbors) => {
            show::neighbors(&client.read::<Neighbors>(method, &path).await?, style)
        }
        // These two have answered above.
        Command::Monitor | Command::Version => return Ok(()),
    };
    print(&text)
}

/// What a command asks of igmpd.
fn request(command: &Command) -> (Method, String) {
    let (method, path) = match command {
        Command::Show(Show::Groups(filter)) => (Method::GET, format!("groups{}", filter.query())),
        Command::Show(Show::Interfaces) => (Method::GET, "interfaces".to_owned()),
        Command::Show(Show::Statistics) => (Method::GET, "statistics".to_owned()),
        Command::Show(Show::Routes(filter)) => (Method::GET, format!("routes{}", filter.query())),
        Command::Show(Show::Neighbors) => (Method::GET, "neighbors".to_owned()),
        Command::Show(Show::Joins(filter)) => (Method::GET, format!("joins{}", filter.query())),
        Command::Clear(Clear::Groups(filter)) => (Method::POST, format!("clear-groups{}", filter.query())),
        Command::Reload => (Method::POST, "reload".to_owned()),
        Command::Monitor => (Method::GET, "monitor".to_owned()),
        Command::Version => (Method::GET, "version".to_owned()),
    };
    (method, format!("{PREFIX}/{path}"))
}

impl Filter {
    /// The filter as the end of a path.
    fn query(&self) -> String {
        let interface = self
            .interface
            .as_ref()
            .map(|name| format!("interface={}", quote(name)));
        let group = self.group.map(|group| format!("group={group}"));
        let parts: Vec<String> = interface.into_iter().chain(group).collect();
        if parts.is_empty() {
            String::new()
        } else {
            format!("?{}", parts.join("&"))
        }
    }
}

/// A name as it may stand in a path (RFC 3986 §2.1).
fn quote(name: &str) -> String {
    let mut quoted = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

/// Prints the answer as it comes.
async fn copy(client: &Client, method: Method, path: &str) -> Result<(), Failure> {
    let mut answer = client.ask(method, path).await?;
    let mut stdout = io::stdout().lock();
    while let Some(piece) = answer.next().await? {
        stdout.write_all(&piece)?;
    }
    stdout.flush()?;
    Ok(())
}

async fn version(client: &Client, json: bool) -> Result<(), Failure> {
    let own = env!("CARGO_PKG_VERSION");
    let asked = client
        .read::<Version>(Method::GET, &format!("{PREFIX}/version"))
        .await;
    if json {
        let igmpd = asked?;
        return print(&format!("{}\n", json!({"igmpctl": own, "igmpd": igmpd})));
    }
    // Its own version is worth knowing even where igmpd does not run.
    print(&format!("igmpctl {own}\n"))?;
    let Version { version, abi_version } = asked?;
    print(&format!("igmpd {version} (map layout {abi_version})\n"))
}

async fn monitor(client: &Client, json: bool) -> Result<(), Failure> {
    let mut answer = client.ask(Method::GET, &format!("{PREFIX}/monitor")).await?;
    let mut unfinished = Vec::new();
    loop {
        let piece = tokio::select! {
            piece = answer.next() => piece?,
            // The reader of a pipe may go while nothing happens that would show it.
            () = output_is_gone() => return Ok(()),
        };
        let Some(piece) = piece else { break };
        unfinished.extend_from_slice(&piece);
        while let Some(end) = unfinished.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = unfinished.drain(..=end).collect();
            let mut stdout = io::stdout().lock();
            if json {
                stdout.write_all(&line)?;
            } else {
                let event: MonitorEvent = serde_json::from_slice(&line).map_err(ClientError::Answer)?;
                stdout.write_all(show::event(&event).as_bytes())?;
            }
            stdout.flush()?;
        }
    }
    Err(ClientError::Refused("igmpd has stopped".to_owned()).into())
}

/// Waits until stdout is a pipe or socket whose other end is closed; for ever where it is anything else.
async fn output_is_gone() {
    let stdout = io::stdout();
    if !stdout.is_terminal()
        && let Ok(descriptor) = stdout.as_fd().try_clone_to_owned()
        && let Ok(pipe) = readiness::of(descriptor, Interest::ERROR)
        && pipe.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Command {
        let arguments = std::iter::once("igmpctl").chain(line.iter().copied());
        Arguments::try_parse_from(arguments)
            .expect("a right command")
            .command
    }

    #[test]
    fn commands_ask_the_documented_paths() {
        let cases: &[(&[&str], &str, &str)] = &[
            (&["show", "groups"], "GET", "/v1/groups"),
            (
                &["show", "groups", "--interface", "lan0.7", "--group", "239.1.1.1"],
                "GET",
                "/v1/groups?interface=lan0.7&group=239.1.1.1",
            ),
            (
                &["show", "groups", "--interface", "a&b"],
                "GET",
                "/v1/groups?interface=a%26b",
            ),
            (&["show", "interfaces"], "GET", "/v1/interfaces"),
            (&["show", "statistics"], "GET", "/v1/statistics"),
            (&["show", "routes"], "GET", "/v1/routes"),
            (
                &["show", "routes", "--interface", "wan0", "--group", "239.1.1.1"],
                "GET",
                "/v1/routes?interface=wan0&group=239.1.1.1",
            ),
            (&["show", "neighbors"], "GET", "/v1/neighbors"),
            (&["show", "joins"], "GET", "/v1/joins"),
            (
                &["show", "joins", "--interface", "core0", "--group", "239.1.1.1"],
                "GET",
                "/v1/joins?interface=core0&group=239.1.1.1",
            ),
            (
                &["clear", "groups", "--group", "239.1.1.1"],
                "POST",
                "/v1/clear-groups?group=239.1.1.1",
            ),
            (&["reload"], "POST", "/v1/reload"),
            (&["monitor"], "GET", "/v1/monitor"),
            (&["version"], "GET", "/v1/version"),
        ];
        for (line, method, path) in cases {
            let (asked_method, asked_path) = request(&parse(line));
            assert_eq!(
                (asked_method.as_str(), asked_path.as_str()),
                (*method, *path),
                "{line:?}"
            );
        }
    }

    #[test]
    fn json_may_stand_before_or_after_the_command() {
        for line in [
            ["igmpctl", "-j", "show", "groups"],
            ["igmpctl", "show", "groups", "--json"],
        ] {
            assert!(Arguments::try_parse_from(line).expect("right").json);
        }
        assert!(Arguments::try_parse_from(["igmpctl", "show", "groups", "--group", "lan0"]).is_err());
    }
}
