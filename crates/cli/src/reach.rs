//! Whether anybody is there at all.

use std::time::Duration;

use env::Env;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, timeout_at};

use crate::failure::{Exit, Failure, Result, words};

/// How long to wait for the first connection to a master. A master that restarts is back sooner; a wrong address does
/// not keep anybody waiting for as long as a call to a slow master may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait between rounds.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until one of `masters` can be connected to.
///
/// # Errors
/// When none can be for a few seconds.
pub(crate) async fn any(env: &Env, masters: &[String], patience: Option<Duration>) -> Result<()> {
    let until = Instant::now() + patience.map_or(PATIENCE, |patience| patience.min(PATIENCE));
    let mut last = String::new();
    loop {
        // At the same time: one that is cut off the network says nothing for long.
        let mut attempts: FuturesUnordered<_> = masters
            .iter()
            .map(|master| timeout_at(until, env.net.connect(master)))
            .collect();
        while let Some(attempt) = attempts.next().await {
            match attempt {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => last = words(&error),
                Err(_) if last.is_empty() => "no answer".clone_into(&mut last),
                Err(_) => {}
            }
        }
        if Instant::now() + PAUSE >= until {
            let what = format!("no master answers at {}", masters.join(", "));
            return Err(Failure::new(Exit::Unavailable, what, last).next(
                "start a cluster with `distrifs mini`, or name yours: --master HOST:PORT, or DISTRIFS_MASTER",
            ));
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_of_several_is_enough_and_none_is_said() {
        let env = Env::real();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap().to_string();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = closed.local_addr().unwrap().to_string();
        drop(closed);
        any(&env, &[gone.clone(), there], None).await.unwrap();
        let failure = any(&env, std::slice::from_ref(&gone), Some(Duration::from_millis(1))).await;
        let Err(Failure::Tell(report)) = failure else {
            panic!("nobody is there")
        };
        assert!(report.what.contains(&gone));
        assert_eq!(report.exit, Exit::Unavailable);
    }
}
