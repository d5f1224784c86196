//! The one table of keys: name, type, default, meaning, and where the value goes. A new key is one entry here, one field
//! in `Config` and one row in docs/guide/configuration.md (a test compares).

use std::path::PathBuf;

use super::{
    MemoryLimit, Secret,
    key::{Key, action, field},
    pattern,
    values::{self, Expected},
};

/// The entry for a key as written.
pub(super) fn find(segments: &[String]) -> Option<&'static Key> {
    KEYS.iter().find(|key| pattern::matches(key.name, segments))
}

/// Every key that has an effect.
pub const KEYS: &[Key] = &[
    action!(
        "listeners.tcp.NAME",
        "port, IP:port or [IPv6]:port",
        "5672",
        "An address to listen on for AMQP; a port alone listens on all addresses, port 0 lets the system choose. `NAME` \
         is `default`, a number or any other name; setting one replaces the default listener.",
        |draft, given| {
            draft.add_listener(given.name, values::listener(given.value)?, given.setting.layer);
            Ok(())
        }
    ),
    action!(
        "listeners.tcp",
        "none",
        "",
        "`none` turns off all plain AMQP listeners, wherever in the files it stands.",
        |draft, given| {
            none(given.value)?;
            draft.clear_listeners(given.setting.layer);
            Ok(())
        }
    ),
    field!(
        "management.tcp.port",
        "port or none",
        "15672",
        "Port of the management API over HTTP; 0 lets the system choose, `none` turns the API off.",
        management_port = values::optional_port
    ),
    field!(
        "management.tcp.ip",
        "IP address",
        "::",
        "Address that the management API listens on; `::` is all, IPv4 too.",
        management_ip = values::ip_address
    ),
    action!(
        "management.cors.allow_origins.NAME",
        "origin or *",
        "",
        "An origin such as `https://console.example` whose pages may use the management API from a browser; `*` is all. \
         `NAME` is a number or any other name.",
        |draft, given| {
            draft.allow_origin(given.name, values::origin(given.value)?, given.setting.layer);
            Ok(())
        }
    ),
    action!(
        "management.cors.allow_origins",
        "none",
        "none",
        "`none` allows none, wherever in the files it stands.",
        |draft, given| {
            none(given.value)?;
            draft.clear_origins(given.setting.layer);
            Ok(())
        }
    ),
    field!(
        "tcp_listen_options.backlog",
        "connections",
        "128",
        "Connections that the kernel may hold before they are accepted.",
        tcp_backlog = |text| values::number(text, 1, 65_535)
    ),
    field!(
        "tcp_listen_options.nodelay",
        "true or false",
        "true",
        "Sends small packets at once instead of gathering them (TCP_NODELAY).",
        tcp_nodelay = values::boolean
    ),
    field!(
        "handshake_timeout",
        "ms",
        "10000",
        "Time that a client has from connecting until its connection is open.",
        handshake_timeout = values::milliseconds
    ),
    field!(
        "heartbeat",
        "s, 0 to 65535",
        "60",
        "Heartbeat offered to clients; 0 offers none.",
        heartbeat = |text| values::number(text, 0, 65_535)
    ),
    field!(
        "frame_max",
        "bytes, 8192 or more",
        "131072",
        "Largest frame offered to clients; 0 sets no limit.",
        frame_max = values::frame_max
    ),
    field!(
        "initial_frame_max",
        "bytes, 4096 or more",
        "8192",
        "Largest frame taken before the frame size is agreed on, where `frame_max` is smaller; raise it for very large \
         credentials (tokens).",
        initial_frame_max = |text| values::number(text, 4096, u64::from(u32::MAX))
    ),
    field!(
        "channel_max",
        "channels, 0 to 65535",
        "2047",
        "Channels offered to each connection; 0 sets no limit but the protocol's.",
        channel_max = |text| values::number(text, 0, 65_535)
    ),
    field!(
        "connection_max",
        "connections or infinity",
        "infinity",
        "Open connections in this node; more are refused.",
        connection_max = values::limit
    ),
    field!(
        "channel_max_per_node",
        "channels or infinity",
        "infinity",
        "Open channels in this node; more are refused.",
        channel_max_per_node = values::limit
    ),
    field!(
        "consumer_max_per_channel",
        "consumers or infinity",
        "infinity",
        "Consumers on one channel; more are refused.",
        consumer_max_per_channel = values::limit
    ),
    field!(
        "consumer_timeout",
        "ms, 0 or undefined",
        "",
        "Time that a delivery may stay unacked, in queues of every type; 0 or undefined is for ever. Without this key it \
         is half an hour in quorum queues, and for ever in others.",
        consumer_timeout = |text| values::timeout(text).map(Some)
    ),
    field!(
        "max_message_size",
        "size, at most 512MiB",
        "16777216",
        "Largest message body taken; a larger one closes its channel.",
        max_message_size = values::message_size
    ),
    field!(
        "default_queue.max_length",
        "messages, 0 sets no bound",
        "10000000",
        "Ready messages from which on publishers wait for a queue that has no bound of its own.",
        default_queue_bound.messages = values::bound
    ),
    field!(
        "default_queue.max_length_bytes",
        "size, 0 sets no bound",
        "16GiB",
        "As `default_queue.max_length`, in bytes of their bodies.",
        default_queue_bound.bytes = values::bound
    ),
    field!(
        "disk_free_limit.absolute",
        "size",
        "1GiB",
        "Free space on the disk below which publishers are blocked, until one and a half times as much is free.",
        disk_free_limit.absolute = values::size
    ),
    field!(
        "disk_free_limit.relative",
        "number above 0, such as 1.5",
        "",
        "As `disk_free_limit.absolute`, in times of the machine's memory; counts instead of it when both are set.",
        disk_free_limit.relative = |text| values::times(text).map(Some)
    ),
    field!(
        "vm_memory_high_watermark.relative",
        "number from 0 to 1",
        "0.6",
        "Part of the memory there is that the process may use before publishers are blocked; 0 blocks them at once.",
        memory_limit = |text| values::share(text).map(MemoryLimit::Relative)
    ),
    action!(
        "vm_memory_high_watermark.absolute",
        "size",
        "",
        "As `vm_memory_high_watermark.relative`, as a size; counts instead of it when both are set.",
        |draft, given| {
            draft.set_memory_limit(values::size(given.value)?);
            Ok(())
        }
    ),
    field!(
        "total_memory_available_override_value",
        "size",
        "",
        "Memory there is; by default what the machine has, or the control group (v1 and v2) where that is less.",
        memory_total = |text| values::size(text).map(Some)
    ),
    field!(
        "memory_monitor_interval",
        "ms",
        "100",
        "How often the memory that the process uses is compared with what it may use; at full speed publishers bring about a mebibyte in each millisecond.",
        memory_monitor_interval = values::milliseconds
    ),
    field!(
        "default_user",
        "text",
        "guest",
        "Name of the user that a new node is created with.",
        default_user = values::text
    ),
    action!(
        "default_pass",
        "text",
        "guest",
        "Password of the user that a new node is created with.",
        |draft, given| {
            draft.config.default_pass = Secret::new(values::text(given.value)?);
            Ok(())
        }
    ),
    field!(
        "event_exchange.enabled",
        "true or false",
        "true",
        "Whether the broker tells its events to the exchange `amq.rabbitmq.event` of the default virtual host.",
        event_exchange = values::boolean
    ),
    field!("default_vhost", "text", "/", "Virtual host that a new node is created with.", default_vhost = values::text),
    field!(
        "default_permissions.configure",
        "regular expression",
        ".*",
        "Exchanges and queues that the default user may declare and delete.",
        default_permissions.configure = values::permission
    ),
    field!(
        "default_permissions.write",
        "regular expression",
        ".*",
        "Exchanges and queues that the default user may publish to and bind.",
        default_permissions.write = values::permission
    ),
    field!(
        "default_permissions.read",
        "regular expression",
        ".*",
        "Exchanges and queues that the default user may consume from, bind from and purge.",
        default_permissions.read = values::permission
    ),
    action!(
        "loopback_users.NAME",
        "true or false",
        "",
        "Whether the user NAME may log in from this machine only; `loopback_users.guest` is true by default. A dot in \
         the name is written `\\.`.",
        |draft, given| {
            draft.set_loopback_user(given.name, values::boolean(given.value)?, given.setting.layer);
            Ok(())
        }
    ),
    action!("loopback_users", "none", "", "`none` lets every user log in from anywhere.", |draft, given| {
        none(given.value)?;
        draft.clear_loopback_users(given.setting.layer);
        Ok(())
    }),
    action!(
        "auth_mechanisms.N",
        "PLAIN, AMQPLAIN or ANONYMOUS",
        "",
        "A way to log in, offered in the order of the numbers N; setting one replaces the default, PLAIN and AMQPLAIN.",
        |draft, given| {
            let place = values::number(given.name, 0, 65_535).map_err(|_| "a key that ends in a number".to_owned())?;
            draft.set_mechanism(place, values::mechanism(given.value)?);
            Ok(())
        }
    ),
    field!(
        "anonymous_login_user",
        "text",
        "guest",
        "User that ANONYMOUS logs in as.",
        anonymous_login_user = values::text
    ),
    field!(
        "default_consumer_prefetch.count",
        "messages, 0 to 65535",
        "0",
        "Prefetch of a consumer whose channel sets none; 0 sets no limit.",
        default_consumer_prefetch = |text| values::number(text, 0, 65_535)
    ),
    field!(
        "qos.dynamic",
        "true or false",
        "false",
        "Lets `basic.qos` with global=false act on running consumers as well; py-amqp and kombu clients always get it.",
        qos_dynamic = values::boolean
    ),
    field!(
        "channel_flow",
        "auto, always or never",
        "auto",
        "Which clients are asked to pause by channel.flow when a queue gets full; auto asks those that are known to do it \
         (Java, .NET) or have the capability `channel_flow`.",
        channel_flow = values::channel_flow
    ),
    field!(
        "identity.product",
        "text",
        "Leveret",
        "`product` in the server properties, for clients that look for a certain broker.",
        identity_product = values::text
    ),
    field!(
        "identity.version",
        "text",
        "",
        "`version` in the server properties; by default the version of this program.",
        identity_version = values::text
    ),
    field!(
        "cluster_name",
        "text",
        "leveret@localhost",
        "`cluster_name` in the server properties.",
        cluster_name = values::text
    ),
    action!(
        "log.console",
        "true or false",
        "true",
        "Logs to standard error; false is not followed yet, use `log.console.level = none`.",
        |draft, given| {
            if !values::boolean(given.value)? {
                let place = &given.setting.place;
                draft.warn(format!(
                    "{place}: `log.console = false` has no effect yet; to log nothing set log.console.level = none"
                ));
            }
            Ok(())
        }
    ),
    field!(
        "log.console.level",
        "debug, info, notice, warning, error, critical or none",
        "info",
        "Least severe message that is logged.",
        log_level = values::log_level
    ),
    field!(
        "log.console.formatter",
        "plaintext or json",
        "plaintext",
        "How a log line is written.",
        log_format = values::log_format
    ),
    action!(
        "data_dir",
        "path",
        "leveret-data",
        "Directory of everything that outlives a restart; a relative one starts at the working directory.",
        |draft, given| {
            draft.config.data_dir = PathBuf::from(values::text(given.value)?);
            Ok(())
        }
    ),
    field!(
        "runtime.worker_threads",
        "threads or auto",
        "auto",
        "Threads that run connections; auto is one for each core.",
        worker_threads = values::worker_threads
    ),
];

fn none(text: &str) -> Result<(), Expected> {
    if text == "none" { Ok(()) } else { Err("none".to_owned()) }
}
