//! A master in a thread of its own, so that it can be stopped and killed like a process.

use std::future::Future;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use consensus::{Group, Settings};
use env::Env;
use env::net::Incoming;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::common::{History, directory};

/// A running master.
pub(crate) struct Member {
    pub(crate) group: Arc<Group<History>>,
    pub(crate) history: Arc<History>,
    handle: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    stopped: Option<mpsc::Sender<()>>,
}

/// What a thread tells when its master is open.
struct Opened {
    group: Arc<Group<History>>,
    history: Arc<History>,
    handle: Handle,
    listens: String,
}

impl Member {
    /// Opens and serves; gives the address that it listens on, too.
    pub(crate) async fn start(env: Env, settings: Settings) -> (Self, String) {
        let (opened, is_open) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            // Calls of the disk are done on the spot: what stops this thread stops all of the master.
            let _inline = env::Inline::enter();
            runtime.block_on(async {
                let history = Arc::new(History::default());
                let group = Group::open(&env, &directory(), Arc::clone(&history), settings)
                    .await
                    .unwrap();
                let group = Arc::new(group);
                let listener = env::net::Network::real().listen("127.0.0.1:0").await.unwrap();
                let listens = listener.local_addr().unwrap().to_string();
                let serve = tonic::transport::Server::builder()
                    .add_service(group.service())
                    .serve_with_incoming(Incoming::new(listener));
                tokio::spawn(serve);
                let sent = opened.send(Opened {
                    group: Arc::clone(&group),
                    history,
                    handle: Handle::current(),
                    listens,
                });
                assert!(sent.is_ok());
                let _ = ended.await;
            });
            // Not waited for: a killed process does not finish anything.
            runtime.shutdown_background();
        });
        let opened = is_open.await.unwrap();
        let member = Self {
            group: opened.group,
            history: opened.history,
            handle: opened.handle,
            end: Some(end),
            thread: Some(thread),
            stopped: None,
        };
        (member, opened.listens)
    }

    /// Does something in the master's thread; none when it is killed meanwhile.
    pub(crate) async fn call<T, F>(&self, call: impl FnOnce(Arc<Group<History>>) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.spawn(call(Arc::clone(&self.group))).await.ok()
    }

    /// Has the master's thread do something.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.handle.spawn(call)
    }

    /// Stops the whole thread where it is, as SIGSTOP does.
    pub(crate) async fn stop(&mut self) {
        let (go_on, stopped) = mpsc::channel::<()>();
        let (holds, held) = oneshot::channel();
        self.handle.spawn(async move {
            let _ = holds.send(());
            let _ = stopped.recv();
        });
        held.await.unwrap();
        self.stopped = Some(go_on);
    }

    /// Lets it go on.
    pub(crate) fn go_on(&mut self) {
        self.stopped = None;
    }

    /// Ends the thread, in the middle of whatever it does.
    pub(crate) async fn end(mut self) {
        self.go_on();
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            tokio::task::spawn_blocking(move || thread.join())
                .await
                .unwrap()
                .unwrap();
        }
    }
}
