//! The disks of a datanode: named in its configuration, taken in and left on SIGHUP, read again and again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Cluster, Content, Options, chunk_files, digest_of_file, flip_bit, until};

/// A datanode whose directories are in a file. Dropping it kills it.
struct Configured {
    file: PathBuf,
    log: PathBuf,
    child: Child,
}

impl Configured {
    fn start(mut command: Command, dir: &Path, dirs: &[&Path]) -> Self {
        let (file, log) = (dir.join("disks.yaml"), dir.join("disks.log"));
        name(&file, dirs);
        let child = command
            .args(["--config", file.to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { file, log, child }
    }

    fn hang_up(&self, dirs: &[&Path]) {
        name(&self.file, dirs);
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
    }

    /// How often the log has this text.
    fn said(&self, text: &str) -> usize {
        fs::read_to_string(&self.log).unwrap().matches(text).count()
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name(file: &Path, dirs: &[&Path]) {
    let dirs: Vec<_> = dirs.iter().map(|dir| dir.to_str().unwrap()).collect();
    fs::write(file, format!("storage_path: {}\n", dirs.join(","))).unwrap();
}

#[test]
fn directories_are_taken_in_and_left_on_hangup() {
    let cluster = Cluster::start(1);
    let [first, second] = ["disk-1", "disk-2"].map(|name| cluster.dir().join(name));
    let command = cluster.client.command(&["datanode", "--ports", "auto"]);
    let datanode = Configured::start(command, cluster.dir(), &[&first]);
    cluster.wait_for_datanodes(2);
    let content = Content::new(70, 3 << 20);
    let source = cluster.dir().join("source");
    content.write_file(&source);
    let put = |path: &str| {
        let source = source.to_str().unwrap();
        cluster
            .client
            .ok(&["put", source, path, "--replication", "2", "--chunk-size", "1MiB"]);
    };
    put("/one");
    assert_eq!(chunk_files(&first).len(), 6);

    datanode.hang_up(&[&first, &second]);
    until("the second directory is a volume", || {
        second.join("identity.json").exists().then_some(())
    });
    until("it was told", || {
        (datanode.said("read the configuration again") == 1).then_some(())
    });
    datanode.hang_up(&[&second]);
    until("the first one is left", || {
        (datanode.said("read the configuration again") == 2).then_some(())
    });
    put("/two");
    assert_eq!(
        chunk_files(&first).len(),
        6,
        "nothing is written to what was left"
    );
    let there = chunk_files(&second).len();
    assert!(
        there >= 6,
        "all of the second file is on the second disk, and what repair has put there: {there}"
    );

    // Named again, it comes back with what is on it; what is wrong in the file changes nothing.
    fs::write(&datanode.file, "storage_path: [\n").unwrap();
    let pid = Pid::from_raw(i32::try_from(datanode.child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    until("the file is refused", || {
        (datanode.said("was not taken over") == 1).then_some(())
    });
    datanode.hang_up(&[&first, &second]);
    until("both are there", || {
        (datanode.said("read the configuration again") == 3).then_some(())
    });
    for path in ["/one", "/two"] {
        let target = cluster.dir().join("target");
        cluster
            .client
            .ok(&["get", path, target.to_str().unwrap(), "--overwrite"]);
        assert_eq!(digest_of_file(&target), content.digest());
    }
    assert_eq!(cluster.client.live_datanodes(), Some(2));
}

#[test]
fn rot_that_nobody_reads_is_found_and_known_after_a_restart() {
    let mut cluster = Cluster::with(Options {
        datanodes: 3,
        datanode: vec!["--scrub-period".to_owned(), "2s".to_owned()],
        ..Options::default()
    });
    let content = Content::new(71, 1 << 20);
    let source = cluster.dir().join("source");
    content.write_file(&source);
    cluster.client.ok(&["put", source.to_str().unwrap(), "/file"]);
    let datanode = &mut cluster.datanodes[0];
    let file = chunk_files(datanode.dir()).remove(0);
    flip_bit(&file, 1000, 3);
    let marks = datanode.dir().join("corrupt");
    until("the replica is marked, or repaired already", || {
        let marked = fs::read_dir(&marks).unwrap().count() == 1;
        let replaced = datanode.log().contains("a replica is corrupt");
        (marked || replaced).then_some(())
    });
    datanode.kill();
    datanode.start();
    cluster.wait_for_datanodes(3);
    let target = cluster.dir().join("target");
    cluster.client.ok(&["get", "/file", target.to_str().unwrap()]);
    assert_eq!(digest_of_file(&target), content.digest());
}
