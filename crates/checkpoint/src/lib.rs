//! Checkpoint files: a checked container for the state as of one index of the log.
