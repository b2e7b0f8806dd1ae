//! The operator's tool of the IGMP router.

use std::process::ExitCode;

fn main() -> ExitCode {
    igmp_user::ctl::main()
}
