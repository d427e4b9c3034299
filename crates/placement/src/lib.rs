//! Where replicas go, and which nodes are alive: pure policies.
