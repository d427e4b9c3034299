//! Compact tables over copy-on-write pages: slabs, arenas and a front-coded B+tree.
