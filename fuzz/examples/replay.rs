//! Runs the scripts in the files that are named, and shows them.
use leveret_fuzz::{node, script::Script};

fn main() {
    for path in std::env::args().skip(1) {
        let script = Script::decode(&std::fs::read(&path).expect("a file"));
        println!("{path}: {script:?}");
        node::run(&script);
    }
}
