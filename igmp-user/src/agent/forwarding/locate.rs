//! Finding out where sources are, and telling the engines.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    Answer, Engine, Forwarding,
    sources::{self, Told},
};
use crate::agent::{Agent, clock};

impl Agent {
    /// Asks the kernel where sources are, to which it has several ways.
    pub(in crate::agent) fn ask_for(&mut self, sources: BTreeSet<Ipv4Addr>) {
        for source in sources {
            self.forwarding.sources.ask(source);
        }
        self.send_questions();
    }

    pub(super) fn send_questions(&mut self) {
        while let Some(source) = self.forwarding.sources.next_question() {
            let asker = self.forwarding.asker.clone();
            let answers = self.forwarding.answers.clone();
            tokio::spawn(async move {
                let answer = asker.interface_towards(source).await;
                // It fails where the agent has ended.
                let _ = answers.send((source, answer)).await;
            });
        }
    }

    /// Takes an answer of the kernel in.
    pub(in crate::agent) fn take_answer(&mut self, (source, answer): Answer) {
        let told = self.forwarding.sources.answer(source, answer);
        self.send_questions();
        match told {
            Told::Same => {}
            Told::New(prefix, slot) => self.tell_sources(&sources::Difference {
                set: vec![(prefix, slot)],
                remove: Vec::new(),
            }),
            Told::Unknown => {
                if let Engine::Xdp(xdp) = &mut self.forwarding.engine {
                    xdp.look_up_anew(&mut self.kernel);
                }
            }
        }
    }

    /// Forgets what the kernel said of sources that have gone silent.
    pub(super) fn forget_answers(&mut self, silent: BTreeSet<Ipv4Addr>) {
        let sources = &mut self.forwarding.sources;
        let remove: Vec<_> = silent
            .into_iter()
            .filter_map(|source| sources.forget(source))
            .collect();
        if !remove.is_empty() {
            self.tell_sources(&sources::Difference {
                set: Vec::new(),
                remove,
            });
        }
    }

    /// Works out anew where sources are.
    pub(super) fn locate_sources(&mut self) {
        let ways = self.ways();
        let Forwarding { sources, table, .. } = &mut self.forwarding;
        let difference = sources.update(table, ways);
        self.tell_sources(&difference);
    }

    pub(super) fn tell_sources(&mut self, difference: &sources::Difference) {
        match &mut self.forwarding.engine {
            Engine::None => {}
            Engine::Xdp(xdp) => {
                xdp.set_sources(&mut self.kernel, difference);
                xdp.commit(&mut self.kernel);
            }
            Engine::Kernel(kernel) => {
                if !difference.is_empty() {
                    let unlocated = kernel.sources_changed(clock::now(), &self.forwarding.sources);
                    self.ask_for(unlocated);
                }
            }
        }
    }
}
