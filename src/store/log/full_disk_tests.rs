//! The log on a full disk: it goes on in the room that is kept back, loses nothing, and ends when that is used up.

use std::sync::Arc;

use crate::store::disk::faulty::Unsynced;
use crate::store::disk::{Disk, FaultyDisk, is_full};
use crate::store::harness::{FILE_SIZE, Trial, recover};
use crate::store::reserve::Reserve;

/// A log whose disk has no room but what is kept back, and what its files have.
fn trial() -> (Trial, Arc<Reserve>) {
    let disk = FaultyDisk::new();
    let all: Arc<dyn Disk> = Arc::new(disk.clone());
    let reserve = Arc::new(Reserve::of(&all, 3 * u64::from(FILE_SIZE)).unwrap());
    let mut trial = Trial::with_reserve(disk, Arc::clone(&reserve)).unwrap();
    trial.put(1, &[1; 3000], true);
    trial.step(0).unwrap();
    while trial.log.prepare().unwrap() {}
    reserve.make().unwrap();
    trial.disk.fill_up();
    (trial, reserve)
}

#[test]
fn it_goes_on_in_what_is_kept_back_and_what_it_has_confirmed_is_there() {
    let (mut trial, reserve) = trial();
    while !reserve.is_taken() {
        trial.put(1, &[2; 3000], true);
        trial.step(0).unwrap();
        assert!(trial.log.durable() >= trial.log.end());
    }
    assert!(reserve.take_found_full());
    for _ in 0..2 {
        trial.put(1, &[3; 3000], true);
        trial.step(0).unwrap();
    }
    trial.put(1, &[4; 3000], false);
    let (expected, durable) = (trial.expected(), trial.durable());
    let recovered = recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 2).unwrap();
    trial.assert_prefix(&recovered, durable, &|| "after a power cut".to_owned());
    trial.step(0).unwrap();
    trial.step(100).unwrap();
    assert_eq!(recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 2).unwrap(), expected);
}

#[test]
fn a_write_that_was_cut_short_is_written_again_as_a_whole() {
    let (mut trial, reserve) = trial();
    // One append that no file can take, so that it gets one that grows, and finds room for a part of itself.
    let long = vec![5; 2 * FILE_SIZE as usize];
    while trial.log.slots.take_free().is_some() {}
    trial.disk.leave(u64::from(FILE_SIZE));
    trial.put(1, &long, true);
    trial.step(0).unwrap();
    assert!(reserve.is_taken());
    let recovered = recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 2).unwrap();
    assert_eq!(recovered, trial.expected());
}

#[test]
fn it_ends_when_that_is_used_up_and_what_it_has_confirmed_is_there() {
    let (mut trial, reserve) = trial();
    let error = loop {
        trial.put(1, &[2; 3000], true);
        if let Err(error) = trial.step(0) {
            break error;
        }
    };
    assert!(reserve.is_taken() && is_full(&error.source), "{error}");
    let recovered = recover(&trial.disk.after_power_cut(Unsynced::Lost), &trial.checkpoint, 2).unwrap();
    trial.assert_prefix(&recovered, trial.durable(), &|| "after the end".to_owned());
    assert!(trial.durable() > 5);
}
