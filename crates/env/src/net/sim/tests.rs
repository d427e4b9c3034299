use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::net::TcpStream;

const MILLI: Duration = Duration::from_millis(1);

/// Two hosts, and a time that passes beside whatever they do.
struct Two {
    network: SimNetwork,
    near: HostId,
    far: HostId,
    now: Duration,
}

impl Two {
    fn new(seed: u64) -> Self {
        let network = SimNetwork::new(seed, (MILLI, MILLI * 3));
        let (near, far) = (network.add("near"), network.add("far"));
        Self {
            network,
            near,
            far,
            now: Duration::ZERO,
        }
    }

    /// Lets so many milliseconds pass.
    async fn pass(&mut self, millis: u32) {
        for _ in 0..millis {
            self.now += MILLI;
            self.network.deliver(self.now, |_| {});
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// A connection, both ends.
    async fn connect(&mut self) -> (TcpStream, TcpStream) {
        let listener = self.network.of(self.far).listen("far:7").await.unwrap();
        let near = self.network.of(self.near);
        let connecting = tokio::spawn(async move { near.connect("far:7").await.unwrap() });
        let accepting = tokio::spawn(async move { listener.accept().await.unwrap().0 });
        tokio::task::yield_now().await;
        self.pass(8).await;
        (connecting.await.unwrap(), accepting.await.unwrap())
    }
}

#[tokio::test]
async fn bytes_arrive_in_order_and_the_end_behind_them() {
    let mut two = Two::new(1);
    let (mut near, mut far) = two.connect().await;
    assert_eq!(near.peer_addr().unwrap().port(), 7);
    assert!(!near.stays_on_host());
    let sent: Vec<u8> = (0..=255).cycle().take(2_000_000).collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        near.write_all(&sent).await.unwrap();
        near.shutdown().await.unwrap();
        near
    });
    let reader = tokio::spawn(async move {
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.unwrap();
        read
    });
    tokio::task::yield_now().await;
    two.pass(50).await;
    assert!(reader.is_finished(), "more than a window passes");
    assert_eq!(reader.await.unwrap(), expected);
    drop(writer.await.unwrap());
    two.pass(5).await;
    assert_eq!(two.network.connections(), 0);
}

#[tokio::test]
async fn nobody_listens_and_nobody_is_there() {
    let mut two = Two::new(2);
    let near = two.network.of(two.near);
    let unknown = near.connect("elsewhere:7").await.unwrap_err();
    assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
    let refused = tokio::spawn(async move { near.connect("far:7").await.unwrap_err().kind() });
    tokio::task::yield_now().await;
    two.pass(8).await;
    assert_eq!(refused.await.unwrap(), io::ErrorKind::ConnectionRefused);
    assert!(two.network.of(two.far).is_here("far"));
    assert!(!two.network.of(two.far).is_here("near"));
}

#[tokio::test]
async fn what_is_sent_over_a_way_that_is_cut_arrives_when_it_is_mended() {
    let mut two = Two::new(3);
    let (mut near, mut far) = two.connect().await;
    two.network.cut(two.near, two.far);
    near.write_all(b"one").await.unwrap();
    far.write_all(b"back").await.unwrap();
    two.pass(100).await;
    near.write_all(b"two").await.unwrap();
    let mut back = [0; 4];
    near.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"back", "the other direction is whole");
    two.network.mend(two.near, two.far);
    two.pass(5).await;
    let mut both = [0; 6];
    far.read_exact(&mut both).await.unwrap();
    assert_eq!(&both, b"onetwo");
}

#[tokio::test]
async fn a_process_that_is_killed_resets_and_one_without_power_says_nothing_until_it_is_asked() {
    for power in [false, true] {
        let mut two = Two::new(4);
        let (mut near, far) = two.connect().await;
        if power {
            two.network.power_off(two.far);
        } else {
            two.network.kill(two.far);
        }
        drop(far);
        two.pass(100).await;
        let mut byte = [0];
        let reading =
            tokio::spawn(async move { (near.read(&mut byte).await.map_err(|error| error.kind()), near) });
        tokio::task::yield_now().await;
        two.pass(5).await;
        assert_eq!(reading.is_finished(), !power);
        if power {
            reading.abort();
            let (mut near, far) = {
                two.network.power_on(two.far);
                two.connect().await
            };
            two.network.power_off(two.far);
            drop(far);
            near.write_all(b"?").await.unwrap();
            two.pass(100).await;
            two.network.power_on(two.far);
            two.pass(8).await;
            assert_eq!(
                near.read(&mut byte).await.unwrap_err().kind(),
                io::ErrorKind::ConnectionReset
            );
        } else {
            assert_eq!(reading.await.unwrap().0, Err(io::ErrorKind::ConnectionReset));
        }
    }
}

#[tokio::test]
async fn halves_end_one_after_the_other() {
    let mut two = Two::new(5);
    let (near, far) = two.connect().await;
    let (mut near_read, mut near_write) = near.into_split();
    near_write.write_all(b"last").await.unwrap();
    drop(near_write);
    let mut far = far;
    two.pass(8).await;
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"last");
    far.write_all(b"answer").await.unwrap();
    drop(far);
    two.pass(8).await;
    said.clear();
    near_read.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"answer");
}
