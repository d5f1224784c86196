//! Heartbeats both ways, timed as RabbitMQ does: a check every half interval sends one if nothing else was sent; a
//! check every interval counts silence, and the second silent one in a row ends the connection.

use std::time::Duration;

use crate::broker::time::Timestamp;

/// A connection's heartbeat state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    send_check: Timestamp,
    /// When to look whether the client was heard; never while it is not read.
    receive_check: Option<Timestamp>,
    sent: bool,
    received: bool,
    silent_checks: u8,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Fine,
    Send,
    Dead,
}

const SILENT_CHECKS: u8 = 2;

impl Heartbeat {
    /// `None` for an interval of 0: no heartbeats.
    pub(super) fn new(seconds: u16, now: Timestamp) -> Option<Self> {
        let interval = Duration::from_secs(u64::from(seconds));
        (seconds > 0).then(|| Self {
            interval,
            send_check: now.after(interval / 2),
            receive_check: Some(now.after(interval)),
            sent: false,
            // As in RabbitMQ, which compares with nothing at the first check: the handshake has been received.
            received: true,
            silent_checks: 0,
        })
    }

    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    pub(super) fn on_received(&mut self) {
        self.received = true;
    }

    pub(super) fn on_sent(&mut self) {
        self.sent = true;
    }

    pub(super) fn next_deadline(&self) -> Timestamp {
        self.receive_check.map_or(self.send_check, |receive_check| receive_check.min(self.send_check))
    }

    /// Nothing is read from now on: silence means nothing.
    pub(super) fn expect_nothing(&mut self) {
        self.receive_check = None;
    }

    /// Reading goes on.
    pub(super) fn expect_from(&mut self, now: Timestamp) {
        self.receive_check = Some(now.after(self.interval));
        self.silent_checks = 0;
    }

    pub(super) fn check(&mut self, now: Timestamp) -> Beat {
        if self.receive_check.is_some_and(|receive_check| now >= receive_check) {
            self.receive_check = Some(now.after(self.interval));
            self.silent_checks = if std::mem::take(&mut self.received) { 0 } else { self.silent_checks + 1 };
            if self.silent_checks >= SILENT_CHECKS {
                return Beat::Dead;
            }
        }
        if now >= self.send_check {
            self.send_check = now.after(self.interval / 2);
            // A heartbeat counts as sent at the next check, so that an idle link carries one an interval.
            let idle = !std::mem::take(&mut self.sent);
            self.sent = idle;
            return if idle { Beat::Send } else { Beat::Fine };
        }
        Beat::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn an_idle_link_carries_one_heartbeat_an_interval_beginning_after_half_of_it() {
        let mut heartbeat = Heartbeat::new(10, at(0)).unwrap();
        let mut sent = Vec::new();
        for second in 1..=30 {
            heartbeat.on_received();
            if heartbeat.check(at(second)) == Beat::Send {
                sent.push(second);
            }
        }
        assert_eq!(sent, vec![5, 15, 25]);
    }

    #[test]
    fn two_silent_checks_in_a_row_end_the_connection() {
        let mut heartbeat = Heartbeat::new(10, at(0)).unwrap();
        heartbeat.on_received();
        assert_ne!(heartbeat.check(at(10)), Beat::Dead);
        assert_ne!(heartbeat.check(at(20)), Beat::Dead, "one silent check");
        assert_eq!(heartbeat.check(at(30)), Beat::Dead, "two");
    }

    #[test]
    fn a_client_that_says_nothing_after_its_handshake_is_given_up_at_the_third_check() {
        // Its connection.open may have come together with tune-ok, before heartbeats were agreed on.
        let mut heartbeat = Heartbeat::new(10, at(0)).unwrap();
        assert_ne!(heartbeat.check(at(10)), Beat::Dead, "the handshake counts");
        assert_ne!(heartbeat.check(at(20)), Beat::Dead, "one silent check");
        assert_eq!(heartbeat.check(at(30)), Beat::Dead, "two");
    }

    #[test]
    fn an_interval_of_zero_means_none() {
        assert!(Heartbeat::new(0, at(0)).is_none());
    }
}
