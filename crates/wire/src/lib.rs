//! Connections of the data plane: the transfer codec over the network seam.
