//! What sends frames at full speed.

pub(crate) mod packet_socket;
