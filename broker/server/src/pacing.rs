//! No pacing between two processes of one machine.
//!
//! Where the machine's congestion control is one that paces (bbr), each packet waits for a timer. On the loopback there is
//! nothing to be gentle with, and the timers cost two thirds of the processor time of a large answer. A socket that began
//! with bbr keeps its timers when the algorithm is changed later, so the listener begins with Reno, which every Linux has
//! and allows, and connections from other machines get the machine's own choice back.

use rustix::net::sockopt::{set_tcp_congestion, tcp_congestion};
use std::os::fd::AsFd;

const UNPACED: &str = "reno";

/// What connections from other machines use; `None`: the machine's choice was left alone.
#[derive(Debug, Clone)]
pub(crate) struct Pacing(Option<String>);

impl Pacing {
    /// Before the listener has accepted anything.
    pub(crate) fn of(listener: &impl AsFd) -> Self {
        let own = tcp_congestion(listener).ok();
        Self(own.filter(|own| own != UNPACED && set_tcp_congestion(listener, UNPACED).is_ok()))
    }

    /// For a connection that was just accepted.
    pub(crate) fn apply(&self, connection: &impl AsFd, is_local: bool) {
        if let Some(own) = self.0.as_ref().filter(|_| !is_local)
            && let Err(error) = set_tcp_congestion(connection, own)
        {
            tracing::debug!(%error, algorithm = own, "a connection keeps Reno's congestion control");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_from_another_machine_has_the_machines_congestion_control_and_a_local_one_has_reno() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = tcp_congestion(&listener).expect("Linux tells");
        let pacing = Pacing::of(&listener);
        let address = listener.local_addr().expect("it is bound");
        for (is_local, expected) in [(true, UNPACED), (false, own.as_str())] {
            let _client = TcpStream::connect(address).expect("it listens");
            let (connection, _) = listener.accept().expect("somebody came");
            pacing.apply(&connection, is_local);
            assert_eq!(tcp_congestion(&connection).expect("Linux tells"), expected);
        }
    }
}
