//! Scenarios: a name, an area, and the function which talks to the broker; running many of them side by side.

use std::any::Any;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::script::Script;

/// Scenarios that run at the same time. Most of them wait for the broker, not for the processor.
const WORKERS: usize = 16;

/// A conversation with a broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// The file that it is in.
    pub(crate) area: &'static str,
    /// A sentence.
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Script),
}

impl Scenario {
    /// `area/name`.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.area, self.name)
    }
}

/// Lists the functions of an area as scenarios of the same name.
macro_rules! scenarios {
    ($area:literal: $($name:ident),+ $(,)?) => {
        pub(crate) const SCENARIOS: &[$crate::scenario::Scenario] =
            &[$($crate::scenario::Scenario { area: $area, name: stringify!($name), run: $name }),+];
    };
}
pub(crate) use scenarios;

/// Runs all scenarios against one broker; returns the transcript of each, or why there is none.
pub(crate) fn run(scenarios: &[Scenario], address: SocketAddr) -> BTreeMap<String, Result<String, String>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let run = run_id();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(index) else { return };
                    let result = run_one(scenario, address, &format!("lv{run:06x}{index:03x}-"));
                    done.lock().expect("no worker panics here").insert(scenario.path(), result);
                }
            });
        }
    });
    done.into_inner().expect("no worker panics here")
}

fn run_one(scenario: &Scenario, address: SocketAddr, prefix: &str) -> Result<String, String> {
    let script = Script::new(address, prefix);
    let ran = catch_unwind(AssertUnwindSafe(|| (scenario.run)(&script)));
    let finished = catch_unwind(AssertUnwindSafe(|| script.finish()));
    ran.map_err(|payload| panic_text(payload.as_ref()))?;
    finished.map_err(|payload| panic_text(payload.as_ref()))
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Differs between runs, so that two of them can use one broker; always of the same length in names, because
/// reply texts are cut at 255 octets.
fn run_id() -> u32 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since_epoch.subsec_nanos() ^ std::process::id()) & 0x00FF_FFFF
}
