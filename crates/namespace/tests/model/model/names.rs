//! Paths, permissions on the way, and what changes names and attributes.

use namespace::{NamespaceError, Outcome, SetAttributes};
use types::{Caller, ClientId, InodeId};

use super::{By, Expected, Model, Node, Pending, Refusal};

pub(super) fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

pub(super) fn join(directory: &str, name: &str) -> String {
    format!("{}/{name}", directory.trim_end_matches('/'))
}

pub(super) fn within(path: &str, top: &str) -> bool {
    path == top || path.starts_with(&join(top, ""))
}

/// The path itself and all above it, from the root down.
pub(super) fn ancestors(path: &str) -> Vec<String> {
    let mut all = vec!["/".to_owned()];
    for name in path.split('/').filter(|name| !name.is_empty()) {
        all.push(join(all.last().unwrap(), name));
    }
    all
}

impl Model {
    /// How much of the way to a path exists; the caller must be able to go it.
    pub(super) fn reach(&self, by: &By<'_>, path: &str) -> Result<Vec<String>, Refusal> {
        let mut way = Vec::new();
        for step in ancestors(path) {
            if let Some(above) = way.last() {
                let above: &Node = &self.nodes[above];
                if above.file.is_some() {
                    return Err(Refusal::NotDirectory);
                }
                by.may(above, 1)?;
            }
            if !self.nodes.contains_key(&step) {
                break;
            }
            way.push(step);
        }
        Ok(way)
    }

    pub(super) fn existing(&self, by: &By<'_>, path: &str) -> Result<&Node, Refusal> {
        match self.reach(by, path)?.last() {
            Some(last) if last == path => Ok(&self.nodes[path]),
            _ => Err(Refusal::NotFound),
        }
    }

    /// The paths to be made for a path where nothing is, itself last.
    pub(super) fn missing(&self, by: &By<'_>, path: &str, parents: bool) -> Result<Vec<String>, Refusal> {
        let way = self.reach(by, path)?;
        let missing: Vec<_> = ancestors(path).into_iter().skip(way.len()).collect();
        if missing.len() > 1 && !parents {
            return Err(Refusal::NotFound);
        }
        by.may(&self.nodes[way.last().unwrap()], 3)?;
        Ok(missing)
    }

    pub(super) fn node(&self, by: &By<'_>, directory: &str, mode: u16, file: Option<InodeId>) -> Node {
        Node {
            owner: by.caller.user.clone(),
            group: self.nodes[directory].group.clone(),
            mode: mode & 0o1777,
            mtime: self.now,
            atime: self.now,
            file,
        }
    }

    pub(super) fn put(&mut self, path: &str, node: Node) {
        self.nodes.insert(path.to_owned(), node);
        self.nodes.get_mut(parent(path)).unwrap().mtime = self.now;
    }

    pub(super) fn make_directory(&mut self, by: &By<'_>, path: &str, mode: u16) {
        let node = self.node(by, parent(path), mode, None);
        self.put(path, node);
    }

    pub(super) fn mkdir(&mut self, by: &By<'_>, path: &str, mode: u16, parents: bool) -> Expected {
        match self.existing(by, path) {
            Ok(node) if parents && node.file.is_none() => return Ok(()),
            Ok(_) => return Err(Refusal::Exists),
            Err(Refusal::NotFound) => {}
            Err(refusal) => return Err(refusal),
        }
        let missing = self.missing(by, path, parents)?;
        for step in &missing {
            let mode = if step == path { mode } else { mode | 0o300 };
            self.make_directory(by, step, mode);
        }
        Ok(())
    }

    pub(super) fn may_replace(&self, by: &By<'_>, path: &str, overwrite: bool) -> Expected {
        let node = &self.nodes[path];
        let Some(file) = node.file else {
            return Err(Refusal::IsDirectory);
        };
        if !overwrite {
            return Err(Refusal::Exists);
        }
        self.may_take_away(by, path)?;
        by.may(node, 2)?;
        match &self.files[&file].writer {
            Some(writer) if writer.client != by.client => Err(Refusal::Busy),
            _ => Ok(()),
        }
    }

    pub(super) fn may_take_away(&self, by: &By<'_>, path: &str) -> Expected {
        let (directory, node) = (&self.nodes[parent(path)], &self.nodes[path]);
        by.may(directory, 3)?;
        if directory.mode & 0o1000 != 0 && !by.owns(directory) && !by.owns(node) {
            return Err(Refusal::Denied);
        }
        Ok(())
    }

    /// Removes what is at a path, if there is something.
    pub(super) fn remove(&mut self, path: &str) {
        let Some(node) = self.nodes.remove(path) else {
            return;
        };
        if let Some(file) = node.file {
            self.forget(file);
        }
        if let Some(directory) = self.nodes.get_mut(parent(path)) {
            directory.mtime = self.now;
        }
        for pending in self.pending() {
            if pending.directory.as_deref() == Some(path) {
                pending.directory = None;
            }
        }
    }

    pub(super) fn pending(&mut self) -> impl Iterator<Item = &mut Pending> {
        self.files
            .values_mut()
            .filter_map(|file| file.writer.as_mut()?.pending.as_mut())
    }

    pub(super) fn rename(&mut self, by: &By<'_>, from: &str, to: &str, replace: bool) -> Expected {
        let directory = self.existing(by, from)?.file.is_none();
        if from == "/" || to == "/" {
            return Err(Refusal::Invalid);
        }
        if from == to {
            return Ok(());
        }
        self.may_take_away(by, from)?;
        if directory && within(to, from) {
            return Err(Refusal::Invalid);
        }
        match self.existing(by, to) {
            Ok(target) => {
                match (directory, target.file.is_none()) {
                    _ if !replace => return Err(Refusal::Exists),
                    (false, true) => return Err(Refusal::IsDirectory),
                    (true, false) => return Err(Refusal::NotDirectory),
                    (true, true) if !self.children(to).is_empty() => return Err(Refusal::NotEmpty),
                    _ => {}
                }
                self.may_take_away(by, to)?;
            }
            Err(Refusal::NotFound) => {
                self.missing(by, to, false)?;
            }
            Err(refusal) => return Err(refusal),
        }
        self.remove(to);
        let moved = |path: &str| format!("{to}{}", &path[from.len()..]);
        let old = std::mem::take(&mut self.nodes);
        self.nodes = old
            .into_iter()
            .map(|(path, node)| match within(&path, from) {
                true => (moved(&path), node),
                false => (path, node),
            })
            .collect();
        for pending in self.pending() {
            let directory = pending.directory.as_mut();
            if let Some(directory) = directory.filter(|directory| within(directory, from)) {
                *directory = moved(directory);
            }
        }
        for changed in [from, to] {
            self.nodes.get_mut(parent(changed)).unwrap().mtime = self.now;
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, by: &By<'_>, path: &str, recursive: bool) -> Expected {
        self.may_delete(by, path, recursive)?;
        self.remove_all(path);
        Ok(())
    }

    /// With a ticket: whether the caller may do it was looked at before, but for the top.
    pub(super) fn delete_tree(
        &mut self,
        by: &By<'_>,
        path: &str,
        answer: &Result<Outcome, NamespaceError>,
    ) -> Expected {
        self.may_delete_top(by, path)?;
        if matches!(answer, Err(NamespaceError::Changed(_))) {
            return Err(Refusal::Changed);
        }
        self.remove_all(path);
        Ok(())
    }

    pub(crate) fn may_delete_tree(&self, caller: &Caller, path: &str) -> Expected {
        let client = ClientId::default();
        self.may_delete(&By { caller, client }, path, true)
    }

    fn remove_all(&mut self, path: &str) {
        for below in self.all_within(path).iter().rev() {
            self.remove(below);
        }
    }

    fn all_within(&self, path: &str) -> Vec<String> {
        let all = self.nodes.keys().filter(|found| within(found, path));
        all.cloned().collect()
    }

    fn may_delete_top(&self, by: &By<'_>, path: &str) -> Expected {
        self.existing(by, path)?;
        if path == "/" {
            return Err(Refusal::Invalid);
        }
        self.may_take_away(by, path)
    }

    fn may_delete(&self, by: &By<'_>, path: &str, recursive: bool) -> Expected {
        self.may_delete_top(by, path)?;
        if !recursive && !self.children(path).is_empty() {
            return Err(Refusal::NotEmpty);
        }
        for below in self.all_within(path).iter().filter(|below| *below != path) {
            self.may_take_away(by, below)?;
        }
        Ok(())
    }

    pub(super) fn set(&mut self, by: &By<'_>, path: &str, set: &SetAttributes) -> Expected {
        let node = self.existing(by, path)?;
        let (owns, superuser) = (by.owns(node), by.caller.superuser);
        if set.mode.is_some() && !owns {
            return Err(Refusal::Denied);
        }
        if let Some(owner) = &set.owner {
            if owner.is_empty() {
                return Err(Refusal::Invalid);
            }
            let same = owns && *owner == node.owner;
            if !superuser && !same {
                return Err(Refusal::Denied);
            }
        }
        if let Some(group) = &set.group {
            if group.is_empty() {
                return Err(Refusal::Invalid);
            }
            let own = owns && by.caller.in_group(group);
            if !superuser && !own {
                return Err(Refusal::Denied);
            }
        }
        if let Some(replication) = set.replication {
            node.file.ok_or(Refusal::IsDirectory)?;
            by.may(node, 2)?;
            if replication == 0 {
                return Err(Refusal::Invalid);
            }
        }
        if (set.mtime.is_some() || set.atime.is_some()) && !owns {
            by.may(node, 2)?;
        }

        let node = self.nodes.get_mut(path).unwrap();
        node.mode = set.mode.map_or(node.mode, |mode| mode & 0o1777);
        node.owner = set.owner.clone().unwrap_or(node.owner.clone());
        node.group = set.group.clone().unwrap_or(node.group.clone());
        node.mtime = set.mtime.map_or(node.mtime, |at| at.0);
        node.atime = set.atime.map_or(node.atime, |at| at.0);
        if let (Some(file), Some(replication)) = (node.file, set.replication) {
            self.files.get_mut(&file).unwrap().replication = replication;
        }
        Ok(())
    }
}
