//! Who is asking: the user of the operating system and their groups, unless the configuration names others.
//!
//! Names come from `/etc/passwd` and `/etc/group`; where these do not know the numbers (directory services), from `id`.

use std::process::Command;

use crate::config::{Key, Settings};

/// A user and their groups, the primary one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's name.
    pub(crate) user: String,
    /// The groups' names.
    pub(crate) groups: Vec<String>,
}

impl Identity {
    /// The one in force. Somebody who names a user but no groups is in the group of that name only.
    pub(crate) fn of(settings: &Settings) -> Self {
        let named = settings.text(Key::User).map(ToOwned::to_owned);
        let groups = settings.list(Key::Groups).map(<[String]>::to_vec);
        match (named, groups) {
            (Some(user), Some(groups)) => Self { user, groups },
            (Some(user), None) => Self {
                groups: vec![user.clone()],
                user,
            },
            (None, groups) => {
                let user = system_user();
                let groups = groups.unwrap_or_else(system_groups);
                Self { user, groups }
            }
        }
    }
}

/// The user that this process runs as.
pub(crate) fn system_user() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(&passwd, uid)
        .map(ToOwned::to_owned)
        .or_else(|| ask_id("-un").into_iter().next())
        .unwrap_or_else(|| uid.to_string())
}

fn system_groups() -> Vec<String> {
    let primary = rustix::process::getegid().as_raw();
    let others = rustix::process::getgroups().unwrap_or_default();
    let mut gids = vec![primary];
    for gid in others {
        if !gids.contains(&gid.as_raw()) {
            gids.push(gid.as_raw());
        }
    }
    let file = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let names: Option<Vec<String>> = gids
        .iter()
        .map(|&gid| name_of(&file, gid).map(ToOwned::to_owned))
        .collect();
    names.unwrap_or_else(|| match ask_id("-Gn") {
        names if names.is_empty() => gids.iter().map(u32::to_string).collect(),
        names => names,
    })
}

/// The name with the number `id` in a file of lines `name:password:id:…`.
fn name_of(file: &str, id: u32) -> Option<&str> {
    file.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(id)).then_some(name)
    })
}

fn ask_id(flag: &str) -> Vec<String> {
    let output = Command::new("id").arg(flag).output();
    output.map_or_else(
        |_| Vec::new(),
        |output| {
            String::from_utf8_lossy(&output.stdout)
                .split_whitespace()
                .map(ToOwned::to_owned)
                .collect()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flag;

    #[test]
    fn names_are_found_by_number() {
        let file = "root:x:0:0:root:/root:/bin/sh\n# note\n\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(name_of(file, 1000), Some("ann"));
        assert_eq!(name_of(file, 0), Some("root"));
        assert_eq!(name_of(file, 5), None);
    }

    #[test]
    fn a_named_user_is_in_the_group_of_that_name() {
        let flag = |key, text: &str| Flag {
            key,
            text: text.to_owned(),
        };
        let of = |flags: &[Flag]| Identity::of(&Settings::load(flags, &|_| None, None).unwrap());
        let bob = of(&[flag(Key::User, "bob")]);
        assert_eq!((bob.user.as_str(), bob.groups), ("bob", vec!["bob".to_owned()]));
        let both = of(&[flag(Key::User, "bob"), flag(Key::Groups, "a,b")]);
        assert_eq!(both.groups, ["a", "b"]);
        let system = of(&[]);
        assert!(!system.user.is_empty() && !system.groups.is_empty());
    }
}
