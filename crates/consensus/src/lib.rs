//! Agreement on a log of commands, behind one facade.
