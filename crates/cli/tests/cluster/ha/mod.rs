//! Three masters: whatever happens to one of them, the cluster goes on, and nothing that was acknowledged is lost.

mod cold_start;
mod cut;
mod fenced;
mod killed;
mod members;
mod once;
mod reshaped;
mod stopped;
