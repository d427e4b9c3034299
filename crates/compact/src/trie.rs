//! Numbered pages that copies share: a trie of reference-counted nodes.
//!
//! ```text
//!            root           up to 8 levels of nodes with 16 children each
//!          /      \
//!       node      node      a clone shares the root; a write copies the nodes on its way that are shared,
//!      / | \       |        and the page; the rest stays common
//!   page page    page
//! ```
//!
//! The fan-out is small because copying a node counts a reference in each of its children, wherever they lie.
//!
//! Invariants:
//! - all pages are at the same depth, and the depth is the least that reaches the highest page or closed mark;
//! - a node without a child and without a closed mark does not exist;
//! - each page number is open or closed; a node's bit is closed exactly when all numbers below it are. What `closed` means
//!   is for the table to say; the trie finds the lowest open one.

use std::sync::Arc;

use crate::memory::{BLOCK_BYTES, SHARED_BYTES};

const FAN_OUT: usize = 16;
const LEVELS_MAX: u32 = 8;
const ALL_CLOSED: u16 = u16::MAX;

/// Pages by number.
#[derive(Debug)]
pub(crate) struct Trie<P> {
    root: Option<Arc<Node<P>>>,
    /// How many nodes there are on the way to a page.
    levels: u32,
    nodes: usize,
    pages: usize,
}

#[derive(Debug)]
struct Node<P> {
    closed: u16,
    children: Children<P>,
}

#[derive(Debug)]
enum Children<P> {
    Nodes([Option<Arc<Node<P>>>; FAN_OUT]),
    Pages([Option<Arc<P>>; FAN_OUT]),
}

impl<P> Clone for Trie<P> {
    fn clone(&self) -> Self {
        Self {
            root: self.root.clone(),
            ..*self
        }
    }
}

impl<P> Clone for Node<P> {
    fn clone(&self) -> Self {
        let children = match &self.children {
            Children::Nodes(nodes) => Children::Nodes(nodes.clone()),
            Children::Pages(pages) => Children::Pages(pages.clone()),
        };
        Self {
            closed: self.closed,
            children,
        }
    }
}

impl<P> Default for Trie<P> {
    fn default() -> Self {
        Self {
            root: None,
            levels: 0,
            nodes: 0,
            pages: 0,
        }
    }
}

/// Which child of a node with `below` levels of nodes under it is on the way to a page.
#[inline]
fn branch(page: u32, below: u32) -> usize {
    (page >> (4 * below)) as usize % FAN_OUT
}

impl<P> Trie<P> {
    /// How many pages there are.
    pub(crate) fn count(&self) -> usize {
        self.pages
    }

    /// Bytes that the nodes take, and the heads of the pages.
    pub(crate) fn overhead(&self) -> u64 {
        let node = size_of::<Node<P>>() + SHARED_BYTES + BLOCK_BYTES;
        (self.nodes * node + self.pages * (SHARED_BYTES + BLOCK_BYTES)) as u64
    }

    #[inline]
    pub(crate) fn get(&self, page: u32) -> Option<&P> {
        if u64::from(page) >= self.reach() {
            return None;
        }
        let mut node = self.root.as_deref()?;
        let mut below = self.levels;
        loop {
            below = below.checked_sub(1)?;
            match &node.children {
                Children::Nodes(nodes) => node = nodes.get(branch(page, below))?.as_deref()?,
                Children::Pages(pages) => return pages.get(branch(page, 0))?.as_deref(),
            }
        }
    }

    /// The first page at or after a number.
    pub(crate) fn next(&self, from: u32) -> Option<(u32, &P)> {
        if u64::from(from) >= self.reach() {
            return None;
        }
        self.root.as_deref()?.next(0, from, self.levels.checked_sub(1)?)
    }

    /// The lowest open number; none when all 2^32 are closed.
    pub(crate) fn first_open(&self) -> Option<u32> {
        let mut number = 0;
        let Some(mut node) = self.root.as_deref() else {
            return Some(number);
        };
        if node.closed == ALL_CLOSED {
            return u32::try_from(self.reach()).ok();
        }
        let mut below = self.levels;
        while below > 0 {
            below -= 1;
            let lowest = node.closed.trailing_ones();
            number |= lowest << (4 * below);
            match &node.children {
                Children::Nodes(nodes) => match nodes.get(lowest as usize).and_then(Option::as_deref) {
                    Some(child) => node = child,
                    None => break,
                },
                Children::Pages(_) => break,
            }
        }
        Some(number)
    }

    /// The page of a number, for a change; made by `make` when there is none.
    pub(crate) fn get_or_make(&mut self, page: u32, make: impl FnOnce() -> P) -> Option<&mut P>
    where
        P: Clone,
    {
        self.grow(page);
        let below = self.levels.checked_sub(1)?;
        let (nodes, pages) = (&mut self.nodes, &mut self.pages);
        let root = self.root.as_mut()?;
        Arc::make_mut(root)
            .descend(page, below, nodes)?
            .page_mut(page, || {
                *pages += 1;
                make()
            })
    }

    /// The page of a number, for a change.
    #[inline]
    pub(crate) fn get_mut(&mut self, page: u32) -> Option<&mut P>
    where
        P: Clone,
    {
        if u64::from(page) >= self.reach() {
            return None;
        }
        let mut below = self.levels;
        let mut node = Arc::make_mut(self.root.as_mut()?);
        loop {
            below = below.checked_sub(1)?;
            match &mut node.children {
                Children::Nodes(nodes) => {
                    node = Arc::make_mut(nodes.get_mut(branch(page, below))?.as_mut()?);
                }
                Children::Pages(pages) => {
                    return pages.get_mut(branch(page, 0))?.as_mut().map(Arc::make_mut);
                }
            }
        }
    }

    /// Lets go of a page. False when there was none.
    pub(crate) fn remove(&mut self, page: u32) -> bool {
        if self.get(page).is_none() {
            return false;
        }
        self.pages -= 1;
        self.change(page, &mut |node| node.drop_page(page));
        self.shrink();
        true
    }

    /// Marks a number closed or open.
    pub(crate) fn set_closed(&mut self, page: u32, closed: bool) {
        if closed {
            self.grow(page);
        } else if u64::from(page) >= self.reach() {
            return;
        }
        self.change(page, &mut |node| node.mark(branch(page, 0), closed));
        if !closed {
            self.shrink();
        }
    }

    /// How many numbers the root covers.
    #[inline]
    fn reach(&self) -> u64 {
        if self.levels == 0 {
            0
        } else {
            1 << (4 * self.levels)
        }
    }

    /// Makes the root high enough for a number.
    fn grow(&mut self, page: u32) {
        if self.root.is_none() {
            self.levels = 1;
            while u64::from(page) >= self.reach() {
                self.levels += 1;
            }
            let root = if self.levels == 1 {
                Node::pages()
            } else {
                Node::nodes()
            };
            self.root = Some(Arc::new(root));
            self.nodes += 1;
        }
        while u64::from(page) >= self.reach() && self.levels < LEVELS_MAX {
            let mut root = Node::nodes();
            let old = self.root.take();
            root.mark(0, old.as_ref().is_some_and(|old| old.closed == ALL_CLOSED));
            if let Children::Nodes(nodes) = &mut root.children
                && let Some(first) = nodes.first_mut()
            {
                *first = old;
            }
            self.root = Some(Arc::new(root));
            self.nodes += 1;
            self.levels += 1;
        }
    }

    /// Takes away roots that are not needed.
    fn shrink(&mut self) {
        while let Some(root) = self.root.as_deref() {
            if root.is_needless() {
                self.root = None;
                self.levels = 1;
            } else if let Children::Nodes([Some(first), rest @ ..]) = &root.children
                && rest.iter().all(Option::is_none)
                && root.closed >> 1 == 0
            {
                self.root = Some(Arc::clone(first));
            } else {
                break;
            }
            self.nodes -= 1;
            self.levels -= 1;
        }
    }

    /// Does something to the lowest node above a number, keeps the closed marks above it and takes needless nodes away.
    fn change(&mut self, page: u32, act: &mut dyn FnMut(&mut Node<P>)) {
        let Some(below) = self.levels.checked_sub(1) else {
            return;
        };
        if let Some(root) = self.root.as_mut() {
            Arc::make_mut(root).change(page, below, &mut self.nodes, act);
        }
    }
}

impl<P> Node<P> {
    fn nodes() -> Self {
        Self {
            closed: 0,
            children: Children::Nodes([const { None }; FAN_OUT]),
        }
    }

    fn pages() -> Self {
        Self {
            closed: 0,
            children: Children::Pages([const { None }; FAN_OUT]),
        }
    }

    fn is_needless(&self) -> bool {
        self.closed == 0
            && match &self.children {
                Children::Nodes(nodes) => nodes.iter().all(Option::is_none),
                Children::Pages(pages) => pages.iter().all(Option::is_none),
            }
    }

    fn mark(&mut self, child: usize, closed: bool) {
        let bit = 1 << child;
        self.closed = if closed {
            self.closed | bit
        } else {
            self.closed & !bit
        };
    }

    fn drop_page(&mut self, page: u32) {
        if let Children::Pages(pages) = &mut self.children
            && let Some(place) = pages.get_mut(branch(page, 0))
        {
            *place = None;
        }
    }

    /// The lowest node above a number; the way to it is made.
    fn descend(&mut self, page: u32, below: u32, count: &mut usize) -> Option<&mut Self> {
        let Some(deeper) = below.checked_sub(1) else {
            return Some(self);
        };
        match &mut self.children {
            Children::Pages(_) => None,
            Children::Nodes(nodes) => {
                let child = nodes.get_mut(branch(page, below))?.get_or_insert_with(|| {
                    *count += 1;
                    Arc::new(if deeper == 0 { Self::pages() } else { Self::nodes() })
                });
                Arc::make_mut(child).descend(page, deeper, count)
            }
        }
    }

    fn page_mut(&mut self, page: u32, make: impl FnOnce() -> P) -> Option<&mut P>
    where
        P: Clone,
    {
        match &mut self.children {
            Children::Nodes(_) => None,
            Children::Pages(pages) => {
                let page = pages
                    .get_mut(branch(page, 0))?
                    .get_or_insert_with(|| Arc::new(make()));
                Some(Arc::make_mut(page))
            }
        }
    }

    fn change(&mut self, page: u32, below: u32, count: &mut usize, act: &mut dyn FnMut(&mut Self)) {
        let Some(deeper) = below.checked_sub(1) else {
            act(self);
            return;
        };
        let at = branch(page, below);
        let Children::Nodes(nodes) = &mut self.children else {
            return;
        };
        let Some(place) = nodes.get_mut(at) else {
            return;
        };
        let child = place.get_or_insert_with(|| {
            *count += 1;
            Arc::new(if deeper == 0 { Self::pages() } else { Self::nodes() })
        });
        let child = Arc::make_mut(child);
        child.change(page, deeper, count, act);
        let closed = child.closed == ALL_CLOSED;
        if child.is_needless() {
            *place = None;
            *count -= 1;
        }
        self.mark(at, closed);
    }

    /// The first page at or after `from`; `start` is the lowest number below this node.
    fn next(&self, start: u32, from: u32, below: u32) -> Option<(u32, &P)> {
        let width = 1_u64 << (4 * below);
        let first = branch(from.max(start), below);
        for at in first..FAN_OUT {
            let number = u32::try_from(u64::from(start) + at as u64 * width).ok()?;
            let found = match &self.children {
                Children::Nodes(nodes) => match nodes.get(at)?.as_deref() {
                    Some(node) => node.next(number, from.max(number), below.checked_sub(1)?),
                    None => None,
                },
                Children::Pages(pages) => pages.get(at)?.as_deref().map(|page| (number, page)),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

#[cfg(any(test, feature = "checks"))]
mod check;
