//! The examples for Python and the description of the jobs API, held against a running server.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

use crate::api::Api;
use crate::jobs_client::Jobs;
use crate::support::server::Server;

const PATIENCE: Duration = Duration::from_secs(60);

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python")
}

/// A script that runs until it is dropped.
struct Script(Child);

impl Script {
    fn start(server: &Server, arguments: &[&str]) -> Self {
        let base = format!("http://{}", server.management());
        let mut command = Command::new("python3");
        command.current_dir(examples()).env("PYTHONDONTWRITEBYTECODE", "1").arg("-u");
        let child = command.args(arguments).args(["--base", &base]).stdout(Stdio::piped()).spawn();
        Self(child.expect("python3 is there"))
    }

    fn lines(&mut self) -> impl Iterator<Item = String> {
        BufReader::new(self.0.stdout.take().unwrap()).lines().map(Result::unwrap)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// A request to the web handler: status, `Retry-After`, body.
fn ask(url: &str, order: Option<&str>) -> (u16, Option<String>, Value) {
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
    let agent: Agent = config.into();
    let mut response = order.map_or_else(|| agent.get(url).call(), |order| agent.post(url).send(order)).unwrap();
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), retry_after, response.body_mut().read_json().unwrap())
}

#[test]
fn an_order_goes_through_the_web_handler_and_the_worker() {
    let server = Server::start();
    let api = Api::of(&server);
    let arguments = json!({ "x-track-status": true, "x-max-length": 2, "x-overflow": "reject-publish" });
    api.put("/queues/%2F/resize", &json!({ "durable": true, "arguments": arguments }).to_string());
    let mut web = Script::start(&server, &["web.py", "--port", "0"]);
    let url = web.lines().next().unwrap().strip_prefix("listening on ").unwrap().to_owned();
    let order = |text: &str| {
        let (status, _, body) = ask(&url, Some(text));
        assert_eq!(status, 202, "{body}");
        format!("{url}/{}", body["id"].as_str().unwrap())
    };
    let (sum, nonsense) = (order(r#"{"numbers": [1, 2, 3]}"#), order("{}"));
    let (status, _, body) = ask(&sum, None);
    assert_eq!((status, &body["status"]), (200, &json!("ready")));
    let (status, retry_after, _) = ask(&url, Some("{}"));
    assert_eq!((status, retry_after.as_deref()), (503, Some("60")), "the broker's own");
    let mut worker = Script::start(&server, &["worker.py", "--jobs", "2"]);
    let id = sum.rsplit('/').next().unwrap();
    assert_eq!(worker.lines().next().unwrap(), format!("{id}: 6"));
    let deadline = Instant::now() + PATIENCE;
    for (job, end) in [(&sum, "done"), (&nonsense, "dropped")] {
        while ask(job, None).2["status"] != end {
            assert!(Instant::now() < deadline, "{job} does not end");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
    assert!(worker.0.wait().unwrap().success());
    assert_eq!(ask(&format!("{url}/00000000-0000-0000-0000-000000000000"), None).0, 404);
}

#[test]
fn the_client_waits_as_it_is_told() {
    let mut command = Command::new("python3");
    command.current_dir(examples()).env("PYTHONDONTWRITEBYTECODE", "1").args(["-m", "unittest"]);
    let output = command.output().expect("python3 is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn all_that_the_description_lists_is_there_and_nobody_need_log_in_to_read_it() {
    let server = Server::start();
    let jobs = Jobs::of(&server);
    let served = jobs.with("").request("GET", "/openapi.json", &[], b"");
    assert_eq!(String::from_utf8(served.body.clone()).unwrap(), include_str!("../../docs/openapi.json"));
    let described = served.json();
    for (path, operations) in described["paths"].as_object().unwrap() {
        let place = path.strip_prefix("/v1").unwrap().replace(['{', '}'], "");
        for method in ["get", "post", "delete", "patch", "put"] {
            let reply = jobs.request(&method.to_uppercase(), &place, &[], b"");
            let is_route = reply.status != 405;
            assert_eq!(is_route, operations.get(method).is_some(), "{method} {path}: {}", reply.status);
            if is_route {
                let status = reply.status.to_string();
                assert!(operations[method]["responses"].get(&status).is_some(), "{method} {path}: {status}");
            }
        }
    }
}

#[test]
fn the_description_refers_to_nothing_that_is_not_there() {
    let description: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    let mut stack = vec![&description];
    while let Some(value) = stack.pop() {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(description.pointer(pointer).is_some(), "{reference}");
                }
                stack.extend(object.values());
            }
            Value::Array(list) => stack.extend(list),
            _ => {}
        }
    }
}
