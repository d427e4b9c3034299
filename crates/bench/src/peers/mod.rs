//! Other systems, to be measured beside DistriFS in the same run.

mod hdfs;

pub(crate) use hdfs::{Caller, Hdfs};
