//! What sends frames at full speed, and where they end.

pub(crate) mod live;
pub(crate) mod packet_socket;
pub(crate) mod sinks;
