//! The datanode: chunk storage and the data plane.
