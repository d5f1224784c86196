//! ANONYMOUS (RFC 4505): the response is a trace string that is ignored.

use super::Login;

pub(super) fn login() -> Login {
    Login::Anonymous
}
