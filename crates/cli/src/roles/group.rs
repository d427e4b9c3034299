//! Which of the masters of a cluster this one is.
//!
//! Masters are started with the same list, and each has to know under which name of it the others reach it.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::options::{Listen, advertised, bare, machine_name};
use crate::config::{Key, Settings};
use crate::failure::{Failure, Result};

/// This master among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// How others reach it, `host:port`; none where the system has yet to choose the port.
    pub(super) own: Option<String>,
    /// All masters, this one among them; empty: it is alone.
    pub(super) masters: Vec<String>,
}

impl Place {
    /// Finds it out from the settings.
    ///
    /// # Errors
    /// When it is none of the masters that are named, or can be several of them.
    pub(super) async fn find(settings: &Settings, listen: &Listen) -> Result<Self> {
        let masters: Vec<String> = settings.list(Key::Masters).unwrap_or_default().to_vec();
        let advertised = settings.text(Key::Advertise).map(|text| match advertised(text) {
            (_, Some(_)) => text.to_owned(),
            (host, None) => with_port(host, listen.port),
        });
        if masters.is_empty() {
            let own = advertised.unwrap_or_else(|| with_port(&default_host(&listen.host), listen.port));
            return Ok(Self {
                own: Some(own).filter(|own| !own.ends_with(":0")),
                masters,
            });
        }
        let own = match advertised {
            Some(own) if masters.contains(&own) => own,
            Some(own) => {
                return Err(Failure::usage(
                    "master",
                    format_args!("{own} is not one of the masters {}", masters.join(", ")),
                )
                .next("--masters lists all of them, this one too, and --advertise HOST[:PORT] is this one"));
            }
            None => {
                let mut candidates = Vec::new();
                for master in &masters {
                    if listens_for(master, listen).await {
                        candidates.push(master.clone());
                    }
                }
                one_of(candidates, &masters, listen)?
            }
        };
        Ok(Self {
            own: Some(own),
            masters,
        })
    }
}

fn one_of(mut candidates: Vec<String>, masters: &[String], listen: &Listen) -> Result<String> {
    match (candidates.pop(), candidates.is_empty()) {
        (Some(own), true) => Ok(own),
        (found, _) => {
            let why = match found {
                None => "none of them seems to be this one",
                Some(_) => "several of them could be this one",
            };
            Err(Failure::usage(
                "master",
                format_args!(
                    "listens on {}, and the masters are {}: {why}",
                    listen.address(),
                    masters.join(", ")
                ),
            )
            .next("say which one this is: --advertise HOST:PORT, as it stands in --masters"))
        }
    }
}

/// Whether who connects to `master` may come to what listens here: the port is the same, and the host is this machine.
async fn listens_for(master: &str, listen: &Listen) -> bool {
    let Some((host, port)) = master.rsplit_once(':') else {
        return false;
    };
    if port.parse() != Ok(listen.port) {
        return false;
    }
    if host == listen.host {
        return true;
    }
    let Ok(addresses) = tokio::net::lookup_host(master).await else {
        return false;
    };
    let listening: Option<IpAddr> = bare(&listen.host).parse().ok();
    addresses.into_iter().any(|address| match listening {
        Some(ip) if !ip.is_unspecified() => address.ip() == ip,
        _ => is_local(address.ip()),
    })
}

/// Whether an address is one of this machine's: only to those can a socket be bound.
fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}

fn with_port(host: &str, port: u16) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// What others may call this machine when nobody says: the address that is listened on, else the machine's name.
fn default_host(listening: &str) -> String {
    match bare(listening).parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => machine_name().unwrap_or_else(|| "localhost".to_owned()),
        _ => listening.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flag;

    async fn place(flags: &[(Key, &str)], listen: (&str, u16)) -> Result<Place> {
        let flags: Vec<_> = flags
            .iter()
            .map(|&(key, text)| Flag {
                key,
                text: text.to_owned(),
            })
            .collect();
        let settings = Settings::load(&flags, &|_| None, None).unwrap();
        let listen = Listen {
            host: listen.0.to_owned(),
            port: listen.1,
        };
        Place::find(&settings, &listen).await
    }

    async fn own(flags: &[(Key, &str)], listen: (&str, u16)) -> Option<String> {
        place(flags, listen).await.unwrap().own
    }

    async fn refused(flags: &[(Key, &str)], listen: (&str, u16)) -> String {
        match place(flags, listen).await.unwrap_err() {
            Failure::Tell(report) => format!("{}; {}", report.why, report.next.unwrap()),
            Failure::Told(exit) => panic!("{exit:?}"),
        }
    }

    const THREE: (Key, &str) = (Key::Masters, "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3");

    #[tokio::test]
    async fn a_master_finds_itself_in_the_list() {
        for host in ["127.0.0.1", "0.0.0.0"] {
            let own = own(&[THREE], (host, 2)).await;
            assert_eq!(own.as_deref(), Some("127.0.0.1:2"), "{host}");
        }
        let named = [THREE, (Key::Advertise, "127.0.0.1:3")];
        assert_eq!(own(&named, ("0.0.0.0", 9)).await.as_deref(), Some("127.0.0.1:3"));
        let host = [THREE, (Key::Advertise, "127.0.0.1")];
        assert_eq!(own(&host, ("0.0.0.0", 1)).await.as_deref(), Some("127.0.0.1:1"));
        let place = place(&[THREE], ("127.0.0.1", 1)).await.unwrap();
        assert_eq!(place.masters.len(), 3);
    }

    #[tokio::test]
    async fn one_that_is_not_in_the_list_or_could_be_several_is_told() {
        let text = refused(&[THREE, (Key::Advertise, "elsewhere")], ("0.0.0.0", 1)).await;
        assert!(text.contains("elsewhere:1 is not one of the masters"), "{text}");
        let text = refused(&[THREE], ("127.0.0.1", 4)).await;
        assert!(
            text.contains("none of them") && text.contains("--advertise"),
            "{text}"
        );
        // 127.0.0.2 is this machine too.
        let two = (Key::Masters, "127.0.0.1:1,127.0.0.2:1");
        let text = refused(&[two], ("0.0.0.0", 1)).await;
        assert!(text.contains("several of them"), "{text}");
    }

    #[tokio::test]
    async fn one_that_is_alone_has_a_name_too() {
        assert_eq!(own(&[], ("127.0.0.1", 7)).await.as_deref(), Some("127.0.0.1:7"));
        assert_eq!(own(&[], ("[::1]", 7)).await.as_deref(), Some("[::1]:7"));
        assert_eq!(
            own(&[], ("127.0.0.1", 0)).await,
            None,
            "the system chooses the port"
        );
        let named = [(Key::Advertise, "m1")];
        assert_eq!(own(&named, ("0.0.0.0", 7)).await.as_deref(), Some("m1:7"));
        let named = [(Key::Advertise, "fe80::1")];
        assert_eq!(own(&named, ("::", 7)).await.as_deref(), Some("[fe80::1]:7"));
        let somewhere = own(&[], ("0.0.0.0", 7)).await.unwrap();
        assert!(
            somewhere.ends_with(":7") && !somewhere.starts_with("0.0.0.0"),
            "{somewhere}"
        );
    }
}
