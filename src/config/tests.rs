//! What a user writes and what comes out of it.

use std::{net::SocketAddr, time::Duration};

use super::{Config, ConfigError, KEYS, Loaded, LogFormat, LogLevel, Mechanism, Secret, SourceFile, Sources};

const GUIDE: &str = include_str!("../../docs/guide/configuration.md");

fn variables(name: &str) -> Option<String> {
    match name {
        "HOST_PORT" => Some("5679".to_owned()),
        "PASSWORD" => Some("s3cret".to_owned()),
        _ => None,
    }
}

fn file(text: &str) -> SourceFile {
    SourceFile { name: "rabbitmq.conf".to_owned(), text: text.to_owned() }
}

fn load(text: &str) -> Result<Loaded, ConfigError> {
    Config::load(&Sources { files: vec![file(text)], ..Sources::new(&variables) })
}

fn config(text: &str) -> Config {
    load(text).unwrap().config
}

fn error(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(load("").unwrap(), Loaded { config: Config::default(), warnings: Vec::new() });
}

#[test]
fn the_defaults_in_the_table_are_the_defaults_in_the_config() {
    for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
        let name = key.name.replace("NAME", "default");
        assert_eq!(config(&format!("{name} = '{}'", key.default)), Config::default(), "{name}");
    }
}

#[test]
fn every_key_has_its_row_in_the_guide() {
    for key in KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        let row = format!("| `{}` | {} | {default} | {} |", key.name, key.value, key.doc);
        assert!(GUIDE.contains(&row), "docs/guide/configuration.md lacks the row\n{row}");
    }
}

#[test]
fn the_guide_has_no_row_for_a_key_that_is_gone() {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    for (name, _) in rows.filter(|(name, _)| !name.starts_with("RABBITMQ_")) {
        assert!(KEYS.iter().any(|key| key.name == name), "{name}");
    }
}

#[test]
fn keys_that_have_an_effect_are_not_listed_as_without() {
    for key in KEYS.iter().filter(|key| !key.name.starts_with("log.console")) {
        let segments = super::pattern::segments(&key.name.replace("NAME", "a").replace(".N", ".1"));
        let twice = super::rabbitmq::NOT_YET.iter().find(|known| super::pattern::matches(known, &segments));
        assert_eq!(twice, None, "{}", key.name);
    }
}

#[test]
fn a_file_sets_each_type_of_value() {
    let config = config(
        "# a comment\r\n\
         heartbeat = 10 # seconds\n\
         handshake_timeout=20000\n\
         max_message_size = 64MiB\n\
         tcp_listen_options.nodelay = false\n\
         channel_max_per_node = infinity\n\
         connection_max = 100\n\
         log.console.level = notice\n\
         log.console.formatter = json\n\
         runtime.worker_threads = 3\n\
         default_permissions.write = ^jobs\\.\n\
         default_pass = 'a # b\\'c $(PASSWORD)' # quoted\n",
    );
    assert_eq!(config.heartbeat, 10);
    assert_eq!(config.handshake_timeout, Duration::from_secs(20));
    assert_eq!(config.max_message_size, 64 << 20);
    assert!(!config.tcp_nodelay);
    assert_eq!((config.channel_max_per_node, config.connection_max), (None, Some(100)));
    assert_eq!((config.log_level, config.log_format), (LogLevel::Notice, LogFormat::Json));
    assert_eq!(config.worker_threads, Some(3));
    assert_eq!(config.default_permissions.write, "^jobs\\.");
    assert_eq!(config.default_pass, Secret::new("a # b'c $(PASSWORD)"));
}

#[test]
fn sizes_take_thousands_and_powers_of_two() {
    let size = |text: &str| config(&format!("max_message_size = {text}")).max_message_size;
    assert_eq!([size("100"), size("100B"), size("2kB"), size("2KB")], [100, 100, 2000, 2000]);
    assert_eq!([size("2KiB"), size("2MB"), size("2 MiB")], [2048, 2_000_000, 2 << 20]);
    assert_eq!(size("512MiB"), 536_870_912);
}

#[test]
fn a_message_size_above_512_mib_is_refused() {
    for text in ["536870913", "1GB", "1GiB", "1TB", "99999999999999999999", "0"] {
        assert!(error(&format!("max_message_size = {text}")).contains("at most 536870912 bytes"), "{text}");
    }
}

#[test]
fn the_disk_limit_is_a_size_or_times_of_the_memory() {
    let limit = |text: &str| config(text).disk_free_limit;
    assert_eq!(limit("disk_free_limit.absolute = 50MB").absolute, 50_000_000);
    assert_eq!(limit("disk_free_limit.absolute = 1GiB"), limit(""));
    let relative = |text: &str| limit(&format!("disk_free_limit.relative = {text}")).relative.unwrap().thousandths;
    assert_eq!([relative("1"), relative("1.5"), relative("0.25"), relative("2.125")], [1000, 1500, 250, 2125]);
    for text in ["0", "0.0", "-1", ".5", "1.2345", "a", "1e3", "99999999999999999999"] {
        assert!(error(&format!("disk_free_limit.relative = {text}")).contains("expected a number above 0"), "{text}");
    }
}

#[test]
fn the_last_setting_of_a_key_wins() {
    assert_eq!(config("heartbeat = 1\nheartbeat = 2").heartbeat, 2);
}

#[test]
fn variables_are_put_in_from_the_environment() {
    let config = config("listeners.tcp.default = 127.0.0.1:$(HOST_PORT)\ndefault_pass = a${PASSWORD}b$c$(not a name)");
    assert_eq!(config.listeners, addresses(&["127.0.0.1:5679"]));
    assert_eq!(config.default_pass.expose(), "as3cretb$c$(not a name)");
}

#[test]
fn a_variable_that_is_not_set_is_an_error() {
    assert_eq!(
        error("\ndefault_pass = $(NOTHING)"),
        "rabbitmq.conf:2: `default_pass` uses $(NOTHING), but the environment has no NOTHING"
    );
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_key() {
    assert_eq!(error("\n\nhartbeat = 60"), "rabbitmq.conf:3: unknown key `hartbeat`; did you mean `heartbeat`?");
    assert_eq!(
        error("listener.tcp.local = 5672"),
        "rabbitmq.conf:1: unknown key `listener.tcp.local`; did you mean `listeners.tcp.local`?"
    );
    assert_eq!(error("xyzzy = 1"), "rabbitmq.conf:1: unknown key `xyzzy`");
}

#[test]
fn a_value_of_the_wrong_type_names_line_key_and_what_is_expected() {
    assert_eq!(
        error("heartbeat = 60s"),
        "rabbitmq.conf:1: `heartbeat` is \"60s\", expected a whole number from 0 to 65535"
    );
    assert!(error("tcp_listen_options.nodelay = maybe").ends_with("expected true or false"));
    assert!(error("default_permissions.read = (").ends_with("expected a regular expression"));
    let large = error(r"default_permissions.read = (?:\w{200}){200}");
    assert!(large.ends_with("expected a regular expression that takes at most 1048576 bytes"), "{large}");
    assert!(error("frame_max = 4096").contains("0 for no limit, or a whole number from 8192"));
    for wrong in ["console.example", "https://", "https://console.example/", "https://*.example", ""] {
        let told = error(&format!("management.cors.allow_origins.1 = {wrong}"));
        assert!(told.ends_with("expected an origin such as https://console.example, or *"), "{told}");
    }
    assert!(error("auth_mechanisms.first = PLAIN").ends_with("expected a key that ends in a number"));
}

#[test]
fn a_line_that_is_no_setting_shows_its_first_word_only() {
    assert_eq!(error("default_pass hunter2"), "rabbitmq.conf:1: expected `key = value`, found \"default_pass\"");
    assert!(error("default_pass = 'open").contains("must be one text in single quotes"));
}

#[test]
fn listeners_take_ports_addresses_and_none() {
    let listeners = |text: &str| config(text).listeners;
    assert_eq!(listeners(""), addresses(&["[::]:5672"]));
    assert_eq!(listeners("listeners.tcp.default = 5673"), addresses(&["[::]:5673"]));
    assert_eq!(
        listeners("listeners.tcp.1 = 127.0.0.1:5672\nlisteners.tcp.2 = ::1:5672\nlisteners.tcp.3 = [::1]:5673"),
        addresses(&["127.0.0.1:5672", "[::1]:5672", "[::1]:5673"])
    );
    assert_eq!(listeners("listeners.tcp.1 = localhost:0"), addresses(&["127.0.0.1:0"]));
    assert_eq!(listeners("listeners.tcp = none\nlisteners.tcp.default = 5672"), addresses(&[]));
    assert!(error("listeners.tcp.default = example.org:5672").contains("an address with a port"));
    assert!(error("listeners.tcp = 5672").ends_with("expected none"));
}

#[test]
fn guest_is_held_to_loopback_unless_said_otherwise() {
    let users = |text: &str| config(text).loopback_users;
    assert_eq!(users("loopback_users.joe\\.doe = true"), ["guest", "joe.doe"]);
    assert_eq!(users("loopback_users.guest = false"), [""; 0]);
    assert_eq!(users("loopback_users = none"), [""; 0]);
}

#[test]
fn origins_are_allowed_by_name_and_none_takes_them_back() {
    let allowed = "management.cors.allow_origins.1 = https://Console.example:8443\nmanagement.cors.allow_origins.2 = *";
    assert_eq!(config(allowed).management_origins, ["https://console.example:8443", "*"]);
    let replaced = format!(
        "{allowed}\nmanagement.cors.allow_origins.1 = http://other\nmanagement.cors.allow_origins.2 = http://b"
    );
    assert_eq!(config(&replaced).management_origins, ["http://other", "http://b"], "the last one of a name wins");
    let none = format!("{allowed}\nmanagement.cors.allow_origins = none");
    assert_eq!(config(&none).management_origins, [""; 0]);
}

#[test]
fn mechanisms_come_in_the_order_of_their_numbers() {
    let config = config("auth_mechanisms.10 = PLAIN\nauth_mechanisms.2 = ANONYMOUS\nauth_mechanisms.11 = PLAIN");
    assert_eq!(config.auth_mechanisms, [Mechanism::Anonymous, Mechanism::Plain]);
}

#[test]
fn external_is_refused_because_it_needs_tls() {
    assert!(error("auth_mechanisms.1 = EXTERNAL").contains("no TLS listeners yet"));
}

#[test]
fn an_encrypted_value_is_refused_instead_of_taken_literally() {
    assert!(error("default_pass = encrypted:abc").contains("cannot be read yet"));
}

#[test]
fn a_consumer_timeout_may_have_no_end() {
    let timeout = |text: &str| load(&format!("consumer_timeout = {text}")).map(|loaded| loaded.config.consumer_timeout);
    assert_eq!(timeout("1500").unwrap(), Some(Duration::from_millis(1500)));
    assert_eq!(timeout("0").unwrap(), Some(Duration::ZERO));
    assert_eq!(timeout("undefined").unwrap(), Some(Duration::ZERO));
    assert!(timeout("-1").is_err());
    assert_eq!(load("").unwrap().config.consumer_timeout, None);
}

#[test]
fn a_key_of_rabbitmq_that_does_nothing_here_is_a_warning() {
    let loaded =
        load("consumer_disconnected_timeout = 1\nssl_options.verify = verify_peer\nlog.console = false").unwrap();
    assert_eq!(
        loaded.warnings,
        [
            "rabbitmq.conf:1: `consumer_disconnected_timeout` has no effect yet",
            "rabbitmq.conf:2: `ssl_options.verify` has no effect yet",
            "rabbitmq.conf:3: `log.console = false` has no effect yet; to log nothing set log.console.level = none",
        ]
    );
    assert_eq!(loaded.config, Config::default());
}

#[test]
fn a_key_that_rabbitmq_gave_up_is_a_warning_with_the_reason() {
    for key in ["vm_memory_high_watermark_paging_ratio", "vm_memory_high_watermark.paging_ratio"] {
        let loaded = load(&format!("{key} = 0.75")).unwrap();
        let reason = "as in RabbitMQ 4: messages leave memory by themselves before it gets short";
        assert_eq!(loaded.warnings, [format!("rabbitmq.conf:1: `{key}` has no effect, {reason}")]);
        assert_eq!(loaded.config, Config::default());
    }
}

#[test]
fn how_often_memory_is_looked_at_is_a_time_above_zero() {
    let interval = |text: &str| config(&format!("memory_monitor_interval = {text}")).memory_monitor_interval;
    assert_eq!(config("").memory_monitor_interval, Duration::from_millis(100));
    assert_eq!(interval("2500"), Duration::from_millis(2500));
    let expected = "expected a time in milliseconds, a whole number above 0";
    for text in ["0", "-1", "1s"] {
        assert!(error(&format!("memory_monitor_interval = {text}")).contains(expected), "{text}");
    }
}

#[test]
fn the_command_line_overrides_the_environment_which_overrides_files_which_override_the_node_address() {
    let environment = |name: &str| match name {
        "RABBITMQ_DEFAULT_USER" => Some("from-environment".to_owned()),
        "RABBITMQ_DEFAULT_PASS" => Some("from-environment".to_owned()),
        "RABBITMQ_DEFAULT_VHOST" => Some(String::new()),
        "RABBITMQ_NODENAME" => Some("rabbit@here".to_owned()),
        "RABBITMQ_NODE_PORT" => Some("5700".to_owned()),
        _ => None,
    };
    let text =
        "default_user = from-file\ndefault_pass = from-file\ndefault_vhost = from-file\ncluster_name = from-file";
    let sources = Sources {
        files: vec![file("heartbeat = 1\nchannel_max = 1"), file("heartbeat = 2"), file(text)],
        set: vec!["default_user=from-command-line".to_owned(), "channel_max = 3".to_owned()],
        ..Sources::new(&environment)
    };
    let config = Config::load(&sources).unwrap().config;
    assert_eq!(config.default_user, "from-command-line");
    assert_eq!(config.default_pass.expose(), "from-environment");
    assert_eq!((config.default_vhost.as_str(), config.cluster_name.as_str()), ("from-file", "from-file"));
    assert_eq!((config.heartbeat, config.channel_max), (2, 3));
    assert_eq!(config.listeners, addresses(&["[::]:5700"]));
}

#[test]
fn the_node_address_counts_only_when_no_file_names_a_listener() {
    let environment = |name: &str| (name == "RABBITMQ_NODE_IP_ADDRESS").then(|| "::1".to_owned());
    let listeners = |files: Vec<SourceFile>| {
        Config::load(&Sources { files, ..Sources::new(&environment) }).unwrap().config.listeners
    };
    assert_eq!(listeners(Vec::new()), addresses(&["[::1]:5672"]));
    assert_eq!(listeners(vec![file("listeners.tcp.1 = 127.0.0.1:1")]), addresses(&["127.0.0.1:1"]));
}

#[test]
fn a_bad_node_port_names_the_variable() {
    let environment = |name: &str| (name == "RABBITMQ_NODE_PORT").then(|| "tcp://10.0.0.1:5672".to_owned());
    assert_eq!(
        Config::load(&Sources::new(&environment)).unwrap_err().to_string(),
        "environment: `RABBITMQ_NODE_PORT` is \"tcp://10.0.0.1:5672\", expected a whole number from 0 to 65535"
    );
}

#[test]
fn set_takes_a_number_sign_as_part_of_the_value() {
    let set = vec!["default_pass=a#b".to_owned()];
    let config = Config::load(&Sources { set, ..Sources::new(&variables) }).unwrap().config;
    assert_eq!(config.default_pass.expose(), "a#b");
}

#[test]
fn set_reports_errors_as_a_file_does() {
    let set = vec!["hartbeat=1".to_owned()];
    let error = Config::load(&Sources { set, ..Sources::new(&variables) }).unwrap_err();
    assert_eq!(error.to_string(), "--set: unknown key `hartbeat`; did you mean `heartbeat`?");
}

#[test]
fn set_replaces_a_listener_of_the_same_name_and_reopens_what_a_file_turned_off() {
    let listeners = |text: &str| {
        let set = vec!["listeners.tcp.default=127.0.0.1:0".to_owned()];
        Config::load(&Sources { files: vec![file(text)], set, ..Sources::new(&variables) }).unwrap().config.listeners
    };
    assert_eq!(listeners("listeners.tcp.default = 5672"), addresses(&["127.0.0.1:0"]));
    assert_eq!(listeners("listeners.tcp = none"), addresses(&["127.0.0.1:0"]));
}

#[test]
fn the_data_directory_of_the_command_line_wins() {
    let sources =
        Sources { set: vec!["data_dir=one".to_owned()], data_dir: Some("two".into()), ..Sources::new(&variables) };
    assert_eq!(Config::load(&sources).unwrap().config.data_dir, std::path::Path::new("two"));
}

#[test]
fn a_password_is_not_shown_by_debug() {
    assert!(!format!("{:?}", config("default_pass = hunter2")).contains("hunter2"));
}

#[test]
fn a_directory_is_read_in_the_order_of_names() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("20-b.conf", "heartbeat = 2"), ("10-a.conf", "heartbeat = 1"), ("notes.txt", "no")] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let files = SourceFile::read(directory.path()).unwrap();
    assert_eq!(Config::load(&Sources { files, ..Sources::new(&variables) }).unwrap().config.heartbeat, 2);
}
