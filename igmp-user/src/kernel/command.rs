//! Changing entries in place.
//!
//! Commands run in the kernel as the payload of a test run; `igmp_wire::abi` says why. One system call carries up to
//! [`MAX_COMMANDS`] of them.

use aya::{TestRun, programs::TestRunOptions};
use igmp_wire::abi::{Command, MAX_COMMANDS, name};

use super::{Kernel, KernelError};

impl Kernel {
    /// Carries out commands, in order, and returns them with their results.
    ///
    /// # Errors
    ///
    /// [`KernelError::Program`] where the kernel refuses to run them. Commands of earlier batches have been carried out
    /// then.
    pub(super) fn run(&self, commands: &[Command]) -> Result<Vec<Command>, KernelError> {
        let program = self.program(name::CONTROL)?;
        let mut results = Vec::with_capacity(commands.len());
        for batch in commands.chunks(MAX_COMMANDS) {
            let input: Vec<u8> = batch.iter().flat_map(Command::to_bytes).collect();
            let mut output = vec![0; input.len()];
            let options = TestRunOptions {
                data_in: Some(&input),
                data_out: Some(&mut output),
                ..TestRunOptions::default()
            };
            program.test_run(options).map_err(|source| KernelError::Program {
                program: name::CONTROL,
                source: Box::new(source),
            })?;
            results.extend(output.chunks_exact(Command::LEN).filter_map(Command::from_bytes));
        }
        Ok(results)
    }
}
