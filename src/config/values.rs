//! The types of values: how each is written in a configuration file and what it becomes.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// Which clients are asked to pause by channel.flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelFlow {
    /// Those that are known to do it, or say so.
    Auto,
    /// All.
    Always,
    /// None.
    Never,
}

pub(super) fn channel_flow(text: &str) -> Result<ChannelFlow, Expected> {
    match text {
        "auto" => Ok(ChannelFlow::Auto),
        "always" => Ok(ChannelFlow::Always),
        "never" => Ok(ChannelFlow::Never),
        _ => Err("auto, always or never".to_owned()),
    }
}

/// A way for a client to say who it is (SASL mechanism).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// `PLAIN`: user and password, RFC 4616.
    Plain,
    /// `AMQPLAIN`: user and password as an AMQP table, RabbitMQ extension.
    AmqPlain,
    /// `ANONYMOUS`: no credentials, logs in as `anonymous_login_user`.
    Anonymous,
}

impl Mechanism {
    /// The name as it appears in `connection.start`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
            Self::Anonymous => "ANONYMOUS",
        }
    }
}

/// Least severe message that is logged, by RabbitMQ's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything, including what happens on each channel.
    Debug,
    /// Connections, logins, starts and stops.
    Info,
    /// As `Info`.
    Notice,
    /// What may need attention.
    Warning,
    /// What went wrong.
    Error,
    /// As `Error`; also written `alert` and `emergency`.
    Critical,
    /// Nothing at all.
    None,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// RabbitMQ's line: time, level in brackets, message.
    Plaintext,
    /// One JSON object for each line.
    Json,
}

/// What a value should have been.
pub(super) type Expected = String;

pub(super) fn boolean(text: &str) -> Result<bool, Expected> {
    match text {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

/// A whole number from `least` to `most`.
pub(super) fn number<T: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Result<T, Expected> {
    text.parse::<u64>()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("a whole number from {least} to {most}"))
}

/// A whole number above zero, or `infinity`.
pub(super) fn limit(text: &str) -> Result<Option<u32>, Expected> {
    if text == "infinity" {
        return Ok(None);
    }
    number(text, 1, u64::from(u32::MAX)).map(Some).map_err(|expected| format!("infinity or {expected}"))
}

pub(super) fn milliseconds(text: &str) -> Result<Duration, Expected> {
    text.parse()
        .ok()
        .filter(|millis| *millis > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| "a time in milliseconds, a whole number above 0".to_owned())
}

/// Milliseconds, of which zero, or the word undefined, stands for no end.
pub(super) fn timeout(text: &str) -> Result<Duration, Expected> {
    if text == "undefined" {
        return Ok(Duration::ZERO);
    }
    text.parse()
        .map(Duration::from_millis)
        .map_err(|_| "a time in milliseconds, a whole number, or undefined for no end".to_owned())
}

/// Bytes, with RabbitMQ's units: kB, MB, GB, TB count in thousands; KB is read as kB; k, M, G and the forms with `i`
/// count in 1024.
/// A size where 0 sets no bound.
pub(super) fn bound(text: &str) -> Result<Option<u64>, Expected> {
    size(text).map(|bound| (bound > 0).then_some(bound))
}

pub(super) fn size(text: &str) -> Result<u64, Expected> {
    let expected = || "a size such as 1048576, 512KiB, 16MiB or 2GB".to_owned();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(expected)?;
    let factor: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "k" | "K" | "kiB" | "KiB" => 1 << 10,
        "m" | "M" | "MiB" => 1 << 20,
        "g" | "G" | "GiB" => 1 << 30,
        "t" | "T" | "TiB" => 1 << 40,
        _ => return Err(expected()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(expected)
}

/// A factor, to three decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// A thousand times the factor.
    pub thousandths: u64,
}

/// A number above 0 with up to three decimal places.
pub(super) fn times(text: &str) -> Result<Times, Expected> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{decimals:0<3}");
    let valid = !whole.is_empty() && decimals.len() <= 3 && digits.chars().all(|digit| digit.is_ascii_digit());
    let thousandths = valid.then(|| digits.parse().ok()).flatten().filter(|thousandths| *thousandths > 0);
    thousandths
        .map(|thousandths| Times { thousandths })
        .ok_or_else(|| "a number above 0 with at most three decimal places, such as 1.5".to_owned())
}

/// A part of a whole, to nine decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// A billion times the part; at most a billion.
    pub billionths: u32,
}

/// A number from 0 to 1.
pub(super) fn share(text: &str) -> Result<Share, Expected> {
    const WHOLE: u32 = 1_000_000_000;
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{decimals:0<9}");
    let valid = !whole.is_empty() && decimals.len() <= 9 && digits.chars().all(|digit| digit.is_ascii_digit());
    let billionths = valid.then(|| digits.parse().ok()).flatten().filter(|billionths| *billionths <= WHOLE);
    billionths
        .map(|billionths| Share { billionths })
        .ok_or_else(|| "a number from 0 to 1 with at most nine decimal places, such as 0.6".to_owned())
}

/// `PORT` for all addresses, `IP:PORT`, or `[IPv6]:PORT`. IPv6 without brackets is taken as well, as RabbitMQ's guides
/// write it: `::1:5672`.
pub(super) fn listener(text: &str) -> Result<SocketAddr, Expected> {
    let expected = || "a port, an address with a port such as 127.0.0.1:5672 or [::1]:5672".to_owned();
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    let address = ip_address(host).map_err(|_| expected())?;
    let port = port.parse().map_err(|_| expected())?;
    Ok(SocketAddr::from((address, port)))
}

/// A port, or `none`.
pub(super) fn optional_port(text: &str) -> Result<Option<u16>, Expected> {
    if text == "none" {
        return Ok(None);
    }
    number(text, 0, 65_535).map(Some).map_err(|_| "a port from 0 to 65535, or none".to_owned())
}

/// An IP address; IPv6 with or without brackets; `localhost` is 127.0.0.1.
pub(super) fn ip_address(text: &str) -> Result<IpAddr, Expected> {
    if text == "localhost" {
        return Ok(IpAddr::from([127, 0, 0, 1]));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| "an IP address".to_owned())
}

pub(super) fn mechanism(text: &str) -> Result<Mechanism, Expected> {
    match text {
        "PLAIN" => Ok(Mechanism::Plain),
        "AMQPLAIN" => Ok(Mechanism::AmqPlain),
        "ANONYMOUS" => Ok(Mechanism::Anonymous),
        "EXTERNAL" => Err("PLAIN, AMQPLAIN or ANONYMOUS: EXTERNAL logs in by the client's TLS certificate, and this \
                           version has no TLS listeners yet"
            .to_owned()),
        _ => Err("PLAIN, AMQPLAIN or ANONYMOUS".to_owned()),
    }
}

pub(super) fn log_level(text: &str) -> Result<LogLevel, Expected> {
    match text {
        "debug" => Ok(LogLevel::Debug),
        "info" => Ok(LogLevel::Info),
        "notice" => Ok(LogLevel::Notice),
        "warning" => Ok(LogLevel::Warning),
        "error" => Ok(LogLevel::Error),
        "critical" | "alert" | "emergency" => Ok(LogLevel::Critical),
        "none" => Ok(LogLevel::None),
        _ => Err("debug, info, notice, warning, error, critical or none".to_owned()),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, Expected> {
    match text {
        "plaintext" => Ok(LogFormat::Plaintext),
        "json" => Ok(LogFormat::Json),
        _ => Err("plaintext or json".to_owned()),
    }
}

pub(super) fn worker_threads(text: &str) -> Result<Option<usize>, Expected> {
    if text == "auto" {
        return Ok(None);
    }
    number(text, 1, 1024).map(Some).map_err(|expected| format!("auto or {expected}"))
}

/// Where a page comes from, as browsers write it in `Origin`; or `*`.
pub(super) fn origin(text: &str) -> Result<String, Expected> {
    let parts = text.split_once("://");
    let is_whole = parts.is_some_and(|(scheme, authority)| {
        let bare = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '?' | '#' | '@' | '*' | ',');
        !scheme.is_empty() && !authority.is_empty() && scheme.chars().chain(authority.chars()).all(bare)
    });
    if is_whole || text == "*" {
        return Ok(text.to_ascii_lowercase());
    }
    Err("an origin such as https://console.example, or *".to_owned())
}

/// Any text but none at all.
pub(super) fn text(text: &str) -> Result<String, Expected> {
    if text.is_empty() { Err("a text that is not empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Bytes that a permission's expression may take: who logs in has it compiled with the same bound.
const PERMISSION_SIZE: usize = 1 << 20;

/// Any text at all that is a regular expression; the empty one allows nothing, as RabbitMQ has it.
pub(super) fn permission(text: &str) -> Result<String, Expected> {
    let built = regex::bytes::RegexBuilder::new(text).size_limit(PERMISSION_SIZE).build();
    let Err(error) = built else { return Ok(text.to_owned()) };
    if let regex::Error::CompiledTooBig(limit) = error {
        return Err(format!("a regular expression that takes at most {limit} bytes"));
    }
    Err("a regular expression".to_owned())
}

/// Bytes of a frame; 0 means no limit. RabbitMQ takes nothing below 8192, and a frame's size field has 32 bits.
pub(super) fn frame_max(text: &str) -> Result<u32, Expected> {
    if text == "0" {
        return Ok(0);
    }
    number(text, 8192, u64::from(u32::MAX)).map_err(|expected| format!("0 for no limit, or {expected}"))
}

/// At most RabbitMQ's 512 MiB.
pub(super) fn message_size(text: &str) -> Result<u64, Expected> {
    const MOST: u64 = 512 * 1024 * 1024;
    size(text)
        .ok()
        .filter(|bytes| (1..=MOST).contains(bytes))
        .ok_or_else(|| format!("a size such as 16777216 or 16MiB, at least 1 and at most {MOST} bytes (512MiB)"))
}
