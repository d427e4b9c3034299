//! The invariants of a trie, looked at one by one.

use super::{ALL_CLOSED, Children, FAN_OUT, Node, Trie, branch};

impl<P> Trie<P> {
    /// Whether a number is marked closed.
    pub(crate) fn is_closed(&self, page: u32) -> bool {
        let mut node = self.root.as_deref().filter(|_| u64::from(page) < self.reach());
        let mut below = self.levels;
        while let Some(here) = node {
            below = below.saturating_sub(1);
            let closed = here.closed >> branch(page, below) & 1 == 1;
            node = match &here.children {
                Children::Nodes(nodes) => nodes.get(branch(page, below)).and_then(|n| n.as_deref()),
                Children::Pages(_) => return closed,
            };
        }
        false
    }

    /// Panics where an invariant does not hold.
    pub(crate) fn check_invariants(&self) {
        let mut counted = (0, 0);
        if let Some(root) = self.root.as_deref() {
            root.check_invariants(self.levels, &mut counted);
            let tall = self.levels > 1;
            let only_first = match &root.children {
                Children::Nodes(nodes) => nodes.iter().skip(1).all(Option::is_none),
                Children::Pages(_) => false,
            };
            assert!(
                !(tall && only_first && root.closed >> 1 == 0),
                "a root that is not needed"
            );
        }
        assert_eq!(self.root.is_none(), self.levels == 0);
        assert_eq!(counted, (self.nodes, self.pages), "nodes and pages");
    }
}

impl<P> Node<P> {
    fn check_invariants(&self, levels: u32, counted: &mut (usize, usize)) {
        counted.0 += 1;
        assert!(!self.is_needless(), "a node for nothing");
        match &self.children {
            Children::Pages(pages) => {
                assert_eq!(levels, 1, "pages at another depth");
                counted.1 += pages.iter().flatten().count();
            }
            Children::Nodes(nodes) => {
                assert!(levels > 1, "nodes too deep");
                for at in 0..FAN_OUT {
                    let child = nodes.get(at).and_then(|child| child.as_deref());
                    let closed = child.is_some_and(|child| child.closed == ALL_CLOSED);
                    assert_eq!(
                        self.closed >> at & 1 == 1,
                        closed,
                        "a mark that is not its child's"
                    );
                    if let Some(child) = child {
                        child.check_invariants(levels - 1, counted);
                    }
                }
            }
        }
    }
}
