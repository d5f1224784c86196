//! `leveret ctl` against a running broker: what it writes and its exit codes.

use std::process::{Command, Output};

use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicPublishOptions, BasicRejectOptions, QueueDeclareOptions};
use serde_json::{Value, json};

use crate::api::Api;
use crate::client::{Client, table, text, with_broker, within};
use crate::support::server::Server;

fn ctl(server: &Server, arguments: &[&str]) -> Output {
    let url = format!("http://{}", server.management());
    run(&[arguments, &["--url", &url]].concat())
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    for variable in ["RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS"] {
        command.env_remove(variable);
    }
    command.arg("ctl").args(arguments).output().expect("the program can be run")
}

/// What a command that succeeds writes.
fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The exit code of a command that fails, and its words.
fn failed(output: &Output) -> (i32, String) {
    assert!(output.stdout.is_empty(), "{output:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn lists_are_tables_with_the_columns_asked_for() {
    with_broker(async |broker| {
        let (server, client) = (&broker.server, broker.client().await);
        client.queue("a queue").await;
        client.queue("b").await;
        client.fill("b", &["one", "two"]).await;
        let _consumer = client.consume("a queue").await;
        client.bind("b", "amq.topic", "#").await;
        let queues = said(&ctl(server, &["list_queues"]));
        assert_eq!(queues, "Listing queues for vhost / ...\nname\tmessages\na queue\t0\nb\t2\n");
        let quiet = said(&ctl(server, &["list_queues", "--quiet", "name", "consumers", "durable"]));
        assert_eq!(quiet, "name\tconsumers\tdurable\na queue\t1\tfalse\nb\t0\tfalse\n");
        assert_eq!(said(&ctl(server, &["list_queues", "-s", "name"])), "a queue\nb\n");
        let text = said(&ctl(server, &["list_queues", "--formatter", "json", "name", "messages_ready"]));
        let parsed: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed, json!([{ "name": "a queue", "messages_ready": 0 }, { "name": "b", "messages_ready": 2 }]));
        let exchanges = said(&ctl(server, &["list_exchanges", "-s"]));
        assert!(exchanges.contains("amq.topic\ttopic\n"), "{exchanges}");
        let bindings = said(&ctl(server, &["list_bindings", "-s"]));
        assert!(bindings.ends_with("amq.topic\tb\tqueue\t#\t{}\n"), "{bindings}");
        let connections = said(&ctl(server, &["list_connections", "-s", "user", "vhost", "channels", "state"]));
        assert_eq!(connections, "guest\t/\t1\trunning\n");
        let channels = said(&ctl(server, &["list_channels", "-s", "user", "number", "consumer_count"]));
        assert_eq!(channels, "guest\t1\t1\n");
        let consumers = said(&ctl(server, &["list_consumers", "-s", "queue_name", "ack_required"]));
        assert_eq!(consumers, "a queue\ttrue\n");
        assert_eq!(said(&ctl(server, &["list_vhosts", "-s"])), "/\n");
    });
}

#[test]
fn tracing_is_turned_on_and_off() {
    with_broker(async |broker| {
        let server = &broker.server;
        for (command, on) in [("trace_on", true), ("trace_off", false)] {
            assert_eq!(said(&ctl(server, &[command])), "");
            let vhost = tokio::task::block_in_place(|| Api::of(server).get("/vhosts/%2F").body);
            assert_eq!(vhost["tracing"], on);
        }
        let (code, text) = failed(&ctl(server, &["trace_on", "--vhost", "nowhere"]));
        assert_eq!((code, text.as_str()), (64, "leveret: No such virtual host was found\n"));
    });
}

#[test]
fn a_queue_is_purged_and_deleted_and_a_connection_closed() {
    with_broker(async |broker| {
        let (server, client) = (&broker.server, broker.client().await);
        client.queue("a/b").await;
        client.fill("a/b", &["one"]).await;
        client.settle().await;
        let (code, text) = failed(&ctl(server, &["delete_queue", "a/b", "--if-empty"]));
        assert_eq!((code, text.as_str()), (65, "leveret: queue 'a/b' in vhost '/' not empty\n"));
        said(&ctl(server, &["purge_queue", "a/b"]));
        said(&ctl(server, &["delete_queue", "a/b", "--if-empty", "--if-unused"]));
        let (code, text) = failed(&ctl(server, &["purge_queue", "a/b"]));
        assert_eq!((code, text.as_str()), (64, "leveret: No such queue was found\n"));
        let name = said(&ctl(server, &["list_connections", "-s", "pid"]));
        said(&ctl(server, &["close_connection", name.trim(), "bye"]));
        let (code, _) = failed(&ctl(server, &["close_connection", "nobody", "bye"]));
        assert_eq!(code, 64);
    });
}

/// Messages with the header `kind`, in this order.
async fn publish(client: &Client, queue: &str, bodies: &[(&str, &str)]) {
    for (body, kind) in bodies {
        let properties = BasicProperties::default().with_headers(table(&[("kind", text(kind))]));
        client.publish_with("", queue, body.as_bytes(), BasicPublishOptions::default(), properties).await;
    }
    client.settle().await;
}

#[test]
fn messages_are_peeked_at_moved_and_removed_as_far_as_they_are_meant() {
    with_broker(async |broker| {
        let (server, client) = (&broker.server, broker.client().await);
        for queue in ["a/b", "c"] {
            client.queue(queue).await;
        }
        let bodies = [("1", "odd"), ("2", "even"), ("3", "odd"), ("4\t!", "even"), ("5", "odd")];
        publish(&client, "a/b", &bodies).await;
        let peeked =
            said(&ctl(server, &["peek_messages", "a/b", "payload", "headers", "--count", "2", "--offset", "2"]));
        let expected =
            "Messages of queue a/b in vhost / ...\npayload\theaders\n3\t{\"kind\":\"odd\"}\n4 !\t{\"kind\":\"even\"}\n";
        assert_eq!(peeked, expected);
        let cut = said(&ctl(server, &["peek_messages", "a/b", "payload", "-s", "--truncate", "1", "--offset", "3"]));
        assert_eq!(cut, "4\n5\n");
        let moved =
            said(&ctl(server, &["move_messages", "a/b", "--to-queue", "c", "--header", "kind=odd", "--limit", "2"]));
        assert_eq!(moved, "2 messages moved, 3 looked at\n");
        assert_eq!(client.take_all("c").await, ["1", "3"]);
        let listed = said(&ctl(server, &["list_moves", "-s", "source", "state", "moved"]));
        assert_eq!(listed, "a/b\tdone\t2\n");
        let removed = said(&ctl(server, &["purge_queue", "a/b", "--header", "kind=even", "--limit", "1"]));
        assert_eq!(removed, "1 messages removed\n");
        let to_exchange = ["move_messages", "a/b", "--to-exchange", "amq.direct", "--with-routing-key", "k"];
        assert_eq!(
            said(&ctl(server, &to_exchange)),
            "0 messages moved, 2 looked at; 2 stay, as there is no way for them\n"
        );
        client.bind("c", "amq.direct", "k").await;
        assert_eq!(said(&ctl(server, &to_exchange)), "2 messages moved, 2 looked at\n");
        assert_eq!(client.take_all("c").await, ["4\t!", "5"]);
        assert_eq!(client.counts("a/b").await.0, 0);
    });
}

#[test]
fn a_move_is_left_alone_and_ended_by_its_number() {
    with_broker(async |broker| {
        let (server, client) = (&broker.server, broker.client().await);
        for queue in ["slow", "c"] {
            client.queue(queue).await;
        }
        let bodies: Vec<_> = (0..100).map(|_| ("x", "any")).collect();
        publish(&client, "slow", &bodies).await;
        let number = said(&ctl(server, &["move_messages", "slow", "--to-queue", "c", "--rate", "1", "--no-wait"]));
        let number = number.trim();
        said(&ctl(server, &["cancel_move", number]));
        let (code, text) = failed(&ctl(server, &["cancel_move", "4711"]));
        assert_eq!((code, text.as_str()), (64, "leveret: No such move was found\n"));
        let state = said(&ctl(server, &["list_moves", "-s", "id", "state"]));
        assert_eq!(state, format!("{number}\tcancelled\n"));
        assert!(client.counts("slow").await.0 >= 90, "hardly any has gone");
    });
}

#[test]
fn dead_letters_are_taken_back_to_where_they_died() {
    with_broker(async |broker| {
        let (server, client) = (&broker.server, broker.client().await);
        client.queue("dlq").await;
        let letters = [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text("dlq"))];
        let options = QueueDeclareOptions::default();
        within(client.queue_declare("jobs".into(), options, table(&letters))).await.unwrap();
        publish(&client, "jobs", &[("1", "any")]).await;
        let got = client.basic_get("jobs".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        got.delivery.acker.reject(BasicRejectOptions { requeue: false }).await.unwrap();
        client.settle().await;
        assert_eq!((client.counts("jobs").await.0, client.counts("dlq").await.0), (0, 1));
        let none = said(&ctl(server, &["redrive_messages", "dlq", "--death-reason", "expired"]));
        assert_eq!(none, "0 messages moved, 1 looked at\n");
        let back = said(&ctl(server, &["redrive_messages", "dlq", "--death-reason", "rejected", "--to", "first"]));
        assert_eq!(back, "1 messages moved, 1 looked at\n");
        assert_eq!(client.take_all("jobs").await, ["1"]);
    });
}

#[test]
fn what_is_meant_has_to_be_said_in_a_way_that_is_understood() {
    let server = Server::start();
    for wrong in [
        &["move_messages", "q"][..],
        &["move_messages", "q", "--to-queue", "a", "--to-exchange", "b"],
        &["move_messages", "q", "--to-queue", "a", "--with-routing-key", "k"],
        &["purge_queue", "q", "--older-than", "5"],
        &["purge_queue", "q", "--header", "name"],
        &["peek_messages", "q", "size"],
        &["move_messages", "q", "--to-queue", "a"],
    ] {
        let (code, text) = failed(&ctl(&server, wrong));
        assert_eq!(code, 64, "{wrong:?}: {text}");
    }
}

#[test]
fn status_tells_how_the_broker_is() {
    with_broker(async |broker| {
        let server = &broker.server;
        broker.client().await.queue("q").await;
        let text = said(&ctl(server, &["status"]));
        for expected in ["Leveret", "alarms: none", "1 queues", "0 messages ready", &server.port().to_string()] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
        let parsed: Value = serde_json::from_str(&said(&ctl(server, &["status", "--json"]))).unwrap();
        assert_eq!((&parsed["totals"]["queues"], &parsed["alarms"]), (&json!(1), &json!([])));
        assert_eq!(said(&ctl(server, &["ping"])), "Ping succeeded\n");
    });
}

#[test]
fn limits_are_set_until_the_next_start() {
    let server = Server::start_with(&[("total_memory_available_override_value", "10GB")]);
    let api = Api::of(&server);
    let limits = || {
        let node = api.get("/nodes").body[0].clone();
        (node["mem_limit"].as_u64().unwrap(), node["disk_free_limit"].as_u64().unwrap())
    };
    assert_eq!(limits(), (6_000_000_000, 1 << 30));
    said(&ctl(&server, &["set_vm_memory_high_watermark", "0.4"]));
    said(&ctl(&server, &["set_disk_free_limit", "50MB"]));
    assert_eq!(limits(), (4_000_000_000, 50_000_000));
    said(&ctl(&server, &["set_vm_memory_high_watermark", "absolute", "2GiB"]));
    said(&ctl(&server, &["set_disk_free_limit", "mem_relative", "0.5"]));
    assert_eq!(limits(), (2 << 30, 5_000_000_000));
    for wrong in [["set_vm_memory_high_watermark", "1.5"], ["set_disk_free_limit", "a lot"]] {
        let (code, text) = failed(&ctl(&server, &wrong));
        assert!(code == 65 && text.contains("expected"), "{code} {text}");
    }
    assert_eq!(limits(), (2 << 30, 5_000_000_000));
}

#[test]
fn what_goes_wrong_has_its_exit_code_and_says_what_to_do() {
    let server = Server::start();
    let (code, text) = failed(&ctl(&server, &["list_queues", "size"]));
    assert!(code == 64 && text.contains("there is no column size"), "{code} {text}");
    let (code, text) = failed(&ctl(&server, &["ping", "--password", "wrong"]));
    assert!(code == 69 && text.contains("--user NAME"), "{code} {text}");
    let (code, _) = failed(&ctl(&server, &["list_queues", "--vhost", "nov"]));
    assert_eq!(code, 64);
    let (code, _) = failed(&run(&["list_queues", "--no-such-option"]));
    assert_eq!(code, 64);
    let (code, text) = failed(&run(&["ping", "--url", "https://localhost"]));
    assert!(code == 64 && text.contains("http://HOST:PORT"), "{code} {text}");
    let (code, text) = failed(&run(&["ping", "--url", &format!("http://{}", server.address())]));
    assert!(code == 69 && text.contains("does not answer as a management API"), "{code} {text}");
    // Nobody listens on port 1.
    let (code, text) = failed(&run(&["ping", "--url", "http://127.0.0.1:1"]));
    assert!(code == 69 && text.contains("management.tcp.port"), "{code} {text}");
}
