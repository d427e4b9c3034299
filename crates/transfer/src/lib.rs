//! The HDFS data-transfer protocol, version 28, as a sans-IO codec.
