//! Attaching the classifier that forwards what XDP cannot redirect.

use std::{fs, path::Path};

use aya::programs::{
    LinkOrder, ProgramError, TcAttachType,
    links::{FdLink, PinnedLink},
    tc::{NlOptions, SchedClassifierLink, SchedClassifierLinkId, TcAttachOptions, qdisc_add_clsact},
};
use tracing::{debug, warn};

use super::{Kernel, KernelError};

impl Kernel {
    /// Attaches the classifier to what an interface receives. Nothing happens where it is attached.
    ///
    /// # Errors
    ///
    /// [`KernelError::Classifier`] where the kernel refuses.
    pub fn attach_classifier(&mut self, ifindex: u32, interface: &str) -> Result<(), KernelError> {
        if self.classifiers.contains_key(&ifindex) {
            return Ok(());
        }
        let pin = self.pins.as_ref().map(|pins| pins.classifier(ifindex));
        let taken_over = pin.as_deref().and_then(|path| self.take_classifier_over(path));
        let id = match taken_over {
            Some(id) => id,
            None => self
                .attach_classifier_anew(interface, pin.as_deref())
                .map_err(|error| KernelError::Classifier {
                    interface: interface.to_owned(),
                    reason: error.to_string(),
                })?,
        };
        self.classifiers.insert(ifindex, id);
        Ok(())
    }

    /// Detaches the classifier from an interface. Nothing happens where it is not attached.
    pub fn detach_classifier(&mut self, ifindex: u32) {
        let Some(id) = self.classifiers.remove(&ifindex) else {
            return;
        };
        if let Some(pins) = &self.pins {
            // The interface may be gone, and with it the link.
            let _ = fs::remove_file(pins.classifier(ifindex));
        }
        if let Ok(Err(error)) = self.classifier().map(|program| program.detach(id)) {
            debug!("detaching the classifier from interface {ifindex}: {error}");
        }
    }

    /// The interfaces that have the classifier.
    pub fn classifiers(&self) -> Vec<u32> {
        self.classifiers.keys().copied().collect()
    }

    /// Drops links of the classifier that an earlier igmpd left pinned and nobody took over.
    pub fn drop_stale_classifiers(&mut self) {
        let Some(pins) = &self.pins else { return };
        for ifindex in pins.pinned_classifiers() {
            if !self.classifiers.contains_key(&ifindex) {
                let _ = fs::remove_file(pins.classifier(ifindex));
            }
        }
    }

    fn take_classifier_over(&mut self, path: &Path) -> Option<SchedClassifierLinkId> {
        let pinned = PinnedLink::from_pin(path).ok()?;
        let link = SchedClassifierLink::try_from(FdLink::from(pinned)).ok()?;
        let taken = self.classifier().ok()?.attach_to_link(link).ok();
        if taken.is_none() {
            // The link of an interface that is gone.
            let _ = fs::remove_file(path);
        }
        taken
    }

    fn attach_classifier_anew(
        &mut self,
        interface: &str,
        pin: Option<&Path>,
    ) -> Result<SchedClassifierLinkId, ProgramError> {
        // The program was found when it was loaded.
        let Ok(program) = self.classifier() else {
            return Err(ProgramError::NotLoaded);
        };
        let options = || TcAttachOptions::TcxOrder(LinkOrder::default());
        let Ok(id) = program.attach_with_options(interface, TcAttachType::Ingress, options()) else {
            // Before Linux 6.6 there are no links of classifiers. The discipline that they hang on may be there already.
            let _ = qdisc_add_clsact(interface);
            let netlink = TcAttachOptions::Netlink(NlOptions::default());
            return program.attach_with_options(interface, TcAttachType::Ingress, netlink);
        };
        let Some(path) = pin else { return Ok(id) };
        let link =
            FdLink::try_from(program.take_link(id)?).map_err(|_| ProgramError::UnexpectedProgramType)?;
        match link.pin(path) {
            Ok(pinned) => {
                let link = SchedClassifierLink::try_from(FdLink::from(pinned))
                    .map_err(|_| ProgramError::UnexpectedProgramType)?;
                program.attach_to_link(link)
            }
            Err(error) => {
                warn!("cannot pin the link at {}: {error}", path.display());
                program.attach_with_options(interface, TcAttachType::Ingress, options())
            }
        }
    }
}
