//! `RenewLease` and `ExpireLeases`.

use types::UnixMillis;

use crate::command::TRUNCATION;
use crate::handler::close::give_up;
use crate::handler::{Answer, Call, Files};
use crate::table::Leases;
use crate::{Outcome, permission};

/// Keeps the client's lease. One that has none is not told so: it learns it from the next call that needs one.
pub(crate) fn renew(leases: &mut Leases, call: &Call<'_>) -> Answer {
    leases.renew(call.client()?, call.at);
    Ok(Outcome::Done)
}

/// Gives up what silent clients write.
pub(crate) fn expire(files: &mut Files, call: &Call<'_>, before: UnixMillis) -> Answer {
    permission::require_superuser(call.caller)?;
    let mut expired = 0;
    let silent: Vec<_> = files
        .leases
        .expired(before, |holder| holder != TRUNCATION)
        .collect();
    for file in silent {
        // What was removed with a directory above it is not there any more, for anybody.
        expired += u64::from(files.tree.is_there(file));
        give_up(files, file)?;
    }
    Ok(Outcome::Expired(expired))
}

#[cfg(test)]
mod tests {
    use types::UnixMillis;

    use crate::testing::{Fs, client_of, denied, filled, options, unpublished};
    use crate::{Command, NamespaceError};

    #[test]
    fn a_silent_writer_loses_its_files() {
        let mut fs = Fs::new();
        let kept = fs.by("ann").create("/tmp/kept", options()).unwrap().inode;
        let chunk = fs.by("ann").add_chunk(kept, &[]).unwrap();
        fs.by("ann").add_chunk(kept, &[filled(chunk, 9)]).unwrap();
        fs.by("ann").create("/tmp/dropped", unpublished()).unwrap();
        let silent_since = fs.at;
        fs.by("bob").create("/tmp/other", options()).unwrap();

        assert_eq!(fs.expire(silent_since), 0, "not before its time");
        assert_eq!(fs.expire(silent_since + 1), 2);
        assert_eq!(fs.lens("/tmp/kept"), [9]);
        assert!(!fs.exists("/tmp/dropped"));
        assert_eq!(fs.freed(), [2]);
        let (inode, client) = (kept, client_of("ann"));
        let refusal = Err(NamespaceError::NotWriter { inode, client });
        assert_eq!(fs.by("ann").complete(kept, &[]), refusal);
        let holders: Vec<_> = fs.ns.leases().map(|lease| lease.holder).collect();
        assert_eq!(holders, [client_of("bob")]);
    }

    #[test]
    fn every_call_that_succeeds_is_a_sign_of_life() {
        let mut fs = Fs::new();
        fs.by("ann").create("/tmp/f", options()).unwrap();
        for command in [Some(Command::RenewLease), None] {
            match command {
                Some(command) => fs.by("ann").run(command).unwrap(),
                None => fs.by("ann").mkdir("/tmp/d").unwrap(),
            };
            let renewed = fs.ns.leases().next().unwrap().renewed;
            assert_eq!(renewed, UnixMillis(fs.at));
        }
        fs.by("ann").mkdir("/tmp/d").unwrap_err();
        assert!(fs.ns.leases().next().unwrap().renewed < UnixMillis(fs.at));
    }

    #[test]
    fn only_the_leader_ends_leases() {
        let mut fs = Fs::new();
        let before = UnixMillis(u64::MAX);
        let refusal = Err(denied("/", "ann", "superuser privilege"));
        assert_eq!(fs.by("ann").run(Command::ExpireLeases { before }), refusal);
    }

    #[test]
    fn renewing_takes_a_client_but_no_lease() {
        let mut fs = Fs::new();
        fs.by("ann").run(Command::RenewLease).unwrap();
        let mut entry = fs.by("ann").entry(Command::RenewLease);
        entry.request = None;
        assert_eq!(fs.ns.apply(&entry), Err(NamespaceError::NoClient));
    }
}
