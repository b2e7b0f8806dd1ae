//! IGMP messages (RFC 9776 §4, RFC 2236 §2, RFC 1112 Appendix I).

pub mod float;
pub mod message;
pub mod query;
pub mod report;

pub use message::{Kind, MIN_MESSAGE_LEN};
pub use query::Query;
pub use report::{Record, RecordKind, RecordWalk};
