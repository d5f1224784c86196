//! The seeds: they are what `seeds` makes, read back as they were written, and the connection passes all of them.
//! With WRITE_SEEDS=1 they are written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use leveret_fuzz::mutate::{Random, mutate};
use leveret_fuzz::script::Script;
use leveret_fuzz::{node, seeds};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/connection")
}

#[test]
fn the_seeds_are_those_that_are_made() {
    let made: BTreeMap<String, Vec<u8>> = seeds::all().into_iter().map(|(name, seed)| (name, seed.encode())).collect();
    if std::env::var_os("WRITE_SEEDS").is_some() {
        fs::create_dir_all(folder()).unwrap();
        for (name, octets) in &made {
            fs::write(folder().join(name), octets).unwrap();
        }
    }
    for (name, octets) in made {
        let kept = fs::read(folder().join(&name)).unwrap_or_default();
        assert!(kept == octets, "{name} is not what is made: run this test with WRITE_SEEDS=1");
    }
}

#[test]
fn a_script_reads_as_it_was_written() {
    for (name, script) in seeds::all() {
        assert_eq!(Script::decode(&script.encode()), script, "{name}");
    }
}

#[test]
fn the_connection_passes_every_seed() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        node::run(&Script::decode(&fs::read(path).unwrap()));
    }
}

#[test]
fn the_connection_passes_seeds_that_were_changed() {
    for (name, script) in seeds::all() {
        for seed in 0..200 {
            println!("{name} {seed}");
            let mut random = Random::new(seed);
            let mut script = script.clone();
            mutate(&mut script, &mut random, &mut |octets| octets.reverse());
            node::run(&script);
        }
    }
}
