//! Changing entries in place.
//!
//! Commands run in the kernel as the payload of a test run; `igmp_wire::abi` says why. One system call carries up to
//! [`MAX_COMMANDS`] of them.

use aya::{TestRun, programs::TestRunOptions};
use igmp_wire::abi::{Command, MAX_COMMANDS, name};

use super::{Kernel, KernelError};

impl Kernel {
    /// Carries out commands, in order, and hands each with its result to `each`.
    ///
    /// # Errors
    ///
    /// [`KernelError::Program`] where the kernel refuses to run them. Commands of earlier batches have been carried out
    /// then.
    pub(super) fn run_each(
        &self,
        commands: &[Command],
        mut each: impl FnMut(Command),
    ) -> Result<(), KernelError> {
        let program = self.program(name::CONTROL)?;
        let mut input = [0; MAX_COMMANDS * Command::LEN];
        let mut output = [0; MAX_COMMANDS * Command::LEN];
        for batch in commands.chunks(MAX_COMMANDS) {
            let (places, _) = input.as_chunks_mut::<{ Command::LEN }>();
            for (place, command) in places.iter_mut().zip(batch) {
                *place = command.to_bytes();
            }
            let len = batch.len() * Command::LEN;
            let options = TestRunOptions {
                data_in: input.get(..len),
                data_out: output.get_mut(..len),
                ..TestRunOptions::default()
            };
            program.test_run(options).map_err(|source| KernelError::Program {
                program: name::CONTROL,
                source: Box::new(source),
            })?;
            output
                .chunks_exact(Command::LEN)
                .take(batch.len())
                .filter_map(Command::from_bytes)
                .for_each(&mut each);
        }
        Ok(())
    }

    /// Carries out commands, in order, and returns them with their results.
    ///
    /// # Errors
    ///
    /// As [`run_each`](Self::run_each).
    pub(super) fn run(&self, commands: &[Command]) -> Result<Vec<Command>, KernelError> {
        let mut results = Vec::with_capacity(commands.len());
        self.run_each(commands, |result| results.push(result))?;
        Ok(results)
    }
}
