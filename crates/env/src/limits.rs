//! How much of the system this process may use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process have as many files and connections open as the system grants it. A shell begins with 1,024, which is less
/// than a datanode needs for all of its streams. Where the system refuses, it stays as it is.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if raised == limit {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(limit = ?limit.current, %error, "could not raise the limit of open files");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_raised_to_what_is_granted() {
        let granted = getrlimit(Resource::Nofile);
        let lower = Rlimit {
            current: granted.maximum.map(|limit| limit - 1),
            ..granted
        };
        setrlimit(Resource::Nofile, lower).unwrap();
        raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!((limit.current, limit.maximum), (granted.maximum, granted.maximum));
    }
}
