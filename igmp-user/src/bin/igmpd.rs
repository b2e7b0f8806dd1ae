//! The agent of the IGMP router.

use std::process::ExitCode;

fn main() -> ExitCode {
    igmp_user::daemon::main()
}
