//! The stream of events.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{json::Event, wait_for};

/// A subscription to `/v1/monitor`. No event after it was opened is missed: the answer's head says that it stands, which
/// `igmpctl monitor` keeps to itself.
#[derive(Debug)]
pub struct Monitor {
    events: Arc<Mutex<Vec<(Instant, Event)>>>,
    stream: UnixStream,
}

impl Monitor {
    /// Subscribes.
    #[track_caller]
    pub(crate) fn open(socket: &Path) -> Self {
        let mut stream = UnixStream::connect(socket).expect("igmpd should accept connections");
        // An answer to HTTP/1.0 comes without chunks, so its body is the lines and nothing else.
        stream
            .write_all(b"GET /v1/monitor HTTP/1.0\r\nHost: igmpd\r\n\r\n")
            .expect("igmpd should read requests");
        let mut lines = BufReader::new(stream.try_clone().expect("a socket can be shared"));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let len = lines.read_line(&mut head).expect("igmpd should answer");
            assert!(len > 0, "the answer ended within its head: {head}");
        }
        assert!(head.contains(" 200 "), "{head}");
        let events = Arc::new(Mutex::new(Vec::new()));
        thread::spawn({
            let events = Arc::clone(&events);
            move || {
                // The stream ends when igmpd does, or when it is shut down below.
                for line in lines
                    .lines()
                    .map_while(Result::ok)
                    .filter(|line| !line.is_empty())
                {
                    let event = serde_json::from_str(&line)
                        .unwrap_or_else(|error| panic!("{error} in the event {line}"));
                    events
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((Instant::now(), event));
                }
            }
        });
        Self { events, stream }
    }

    /// Every event so far, and when it came.
    pub fn all(&self) -> Vec<(Instant, Event)> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many events there were that `wanted` accepts.
    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|(_, event)| wanted(event)).count()
    }

    /// Waits for an event that `wanted` accepts, and returns the first and when it came.
    #[track_caller]
    pub fn wait_for(
        &self,
        what: &str,
        timeout: Duration,
        wanted: impl Fn(&Event) -> bool,
    ) -> (Instant, Event) {
        wait_for(what, timeout, || {
            let all = self.all();
            all.iter()
                .find(|(_, event)| wanted(event))
                .cloned()
                .ok_or_else(|| format!("{:?}", all.iter().map(|(_, event)| event).collect::<Vec<_>>()))
        })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Ends the reading thread; igmpd may be gone already.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
