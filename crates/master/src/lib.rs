//! The master: the metadata service and its shell.
