//! Placeholder: the simulated disk.
/// Placeholder.
#[derive(Debug)]
pub struct SimDisk;
/// Placeholder.
#[derive(Debug)]
pub enum Fault {}
/// Placeholder.
#[derive(Debug)]
pub struct CrashReport;
