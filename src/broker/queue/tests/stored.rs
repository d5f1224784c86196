//! What becomes of stored messages: each is told of once when it will not come back, follows its record to other
//! files, and comes back after a restart.

use std::num::NonZeroU32;

use super::{
    ANN, BOB, GETTER, again, consumer, delete, first, get, got, handle, lies_at, message, publish, run, settle, stored,
    with_paged,
};
use crate::broker::ids::{CheckoutId, SequenceNumber};
use crate::broker::queue::{Contents, Effect, Input, Outcome, Place, Queue, Run, Subscription};

const SEGMENT: NonZeroU32 = NonZeroU32::new(Place::SEGMENT | 4).unwrap();

fn gone(sequence: u64) -> Effect {
    Effect::Gone { sequence: SequenceNumber(sequence), place: lies_at(sequence) }
}

/// A queue that keeps these messages in memory, and on disk.
fn with_stored(bodies: &[&str]) -> Queue {
    let mut queue = Queue::new(false);
    let mut arrivals = (1..).zip(bodies).map(|(sequence, body)| stored(sequence, body)).collect();
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), []);
    queue
}

fn in_segment(sequence: u64) -> Place {
    Place { file: SEGMENT, ..lies_at(sequence) }
}

fn single(sequence: u64, place: Place) -> (SequenceNumber, Place) {
    (SequenceNumber(sequence), place)
}

#[test]
fn a_settled_message_is_gone_unless_it_is_requeued() {
    let mut queue = with_stored(&["a", "b", "c"]);
    assert_eq!(get(&mut queue, false), [got(1, "a", 2)]);
    assert_eq!(get(&mut queue, false), [got(2, "b", 1)]);
    assert_eq!(settle(&mut queue, GETTER, 1, Outcome::Requeue), []);
    assert_eq!(settle(&mut queue, GETTER, 2, Outcome::Discard), [gone(2)]);
    assert_eq!(settle(&mut queue, GETTER, 2, Outcome::Ack), [], "once");
    assert_eq!(handle(&mut queue, Input::Abandon(GETTER)), []);
}

#[test]
fn a_message_sent_without_acknowledgement_is_gone() {
    let mut queue = with_stored(&["a", "b"]);
    assert_eq!(get(&mut queue, true), [got(1, "a", 1), gone(1)]);
    let subscription = Subscription { no_ack: true, ..consumer(ANN) };
    assert_eq!(handle(&mut queue, Input::Subscribe(subscription)), [first(ANN, 1, "b"), gone(2)]);
}

#[test]
fn several_hand_outs_are_settled_at_once_in_their_order() {
    let mut queue = with_stored(&["a", "b", "c", "d", "e"]);
    let three = Subscription { prefetch: 3, ..consumer(ANN) };
    assert_eq!(
        handle(&mut queue, Input::Subscribe(three)),
        [first(ANN, 1, "a"), first(ANN, 2, "b"), first(ANN, 3, "c")]
    );
    let checkouts = &[CheckoutId(2), CheckoutId(99), CheckoutId(1), CheckoutId(2)];
    assert_eq!(
        handle(&mut queue, Input::Settle { consumer: ANN, checkouts, outcome: Outcome::Ack }),
        [gone(2), gone(1), first(ANN, 4, "d"), first(ANN, 5, "e")]
    );
    let checkouts = &[CheckoutId(5), CheckoutId(3)];
    assert_eq!(
        handle(&mut queue, Input::Settle { consumer: ANN, checkouts, outcome: Outcome::Requeue }),
        [again(ANN, 6, "c"), again(ANN, 7, "e")],
        "all are back before any is handed out"
    );
    assert_eq!(handle(&mut queue, Input::Settle { consumer: BOB, checkouts, outcome: Outcome::Ack }), []);
}

#[test]
fn purged_messages_are_gone_and_unacked_ones_are_not() {
    let mut queue = with_stored(&["a", "b", "c"]);
    queue.set_memory_limit(0);
    let mut arrivals = vec![stored(4, "d"), message("e").into(), stored(6, "f"), stored(7, "g")];
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), []);
    assert_eq!(get(&mut queue, false), [got(1, "a", 6)]);
    assert_eq!(get(&mut queue, false), [got(2, "b", 5)]);
    assert_eq!(settle(&mut queue, GETTER, 1, Outcome::Requeue), []);
    assert_eq!(
        handle(&mut queue, Input::Purge),
        [gone(1), gone(3), Effect::GoneRun(run(4, 1)), Effect::GoneRun(run(6, 2)), Effect::Removed(6)]
    );
    assert_eq!((queue.ready_count(), queue.loaded_bytes()), (0, 0));
    assert_eq!(settle(&mut queue, GETTER, 2, Outcome::Ack), [gone(2)]);
}

#[test]
fn a_deleted_queue_tells_what_it_held_in_each_file() {
    let mut queue = with_stored(&["a", "b"]);
    queue.set_memory_limit(0);
    let elsewhere = Place { file: SEGMENT, offset: 0, length: 10 };
    let mut arrivals = vec![stored(3, "c"), stored(4, "d"), message("e").into()];
    arrivals[1].place = Some(elsewhere);
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), []);
    assert_eq!(get(&mut queue, false), [got(1, "a", 4)]);
    assert_eq!(
        handle(&mut queue, delete(false, false)),
        [Effect::Emptied(vec![(lies_at(1).file, 3), (SEGMENT, 1)]), Effect::Removed(4)]
    );
}

#[test]
fn messages_that_are_not_stored_are_not_told_of() {
    let mut queue = Queue::new(false);
    assert_eq!(publish(&mut queue, &["a", "b", "c"]), []);
    assert_eq!(get(&mut queue, true), [got(1, "a", 2)]);
    assert_eq!(get(&mut queue, false), [got(2, "b", 1)]);
    assert_eq!(settle(&mut queue, GETTER, 2, Outcome::Ack), []);
    assert_eq!(handle(&mut queue, Input::Purge), [Effect::Removed(1)]);
    assert_eq!(handle(&mut queue, delete(false, false)), [Effect::Removed(0)]);
}

#[test]
fn all_that_is_live_in_a_file_is_found_wherever_it_is() {
    let mut queue = with_stored(&["a", "b", "c", "d", "e"]);
    let two = Subscription { prefetch: 2, ..consumer(ANN) };
    assert_eq!(handle(&mut queue, Input::Subscribe(two)), [first(ANN, 1, "a"), first(ANN, 2, "b")]);
    assert_eq!(handle(&mut queue, Input::Unsubscribe(ANN)), []);
    assert_eq!(get(&mut queue, false), [got(1, "c", 2)]);
    assert_eq!(settle(&mut queue, ANN, 1, Outcome::Requeue), []);
    assert_eq!(
        handle(&mut queue, Input::Subscribe(Subscription { prefetch: 1, ..consumer(BOB) })),
        [again(BOB, 1, "a")]
    );
    queue.set_memory_limit(0);
    let mut arrivals = vec![stored(6, "f"), stored(7, "g")];
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), []);
    let held = queue.held_in(lies_at(1).file);
    let singles = (1..=5).map(|sequence| single(sequence, lies_at(sequence))).collect();
    assert_eq!(held, Contents { runs: vec![run(6, 2)], singles });
    assert_eq!(queue.held_in(SEGMENT), Contents::default());
}

#[test]
fn messages_follow_their_records_and_settled_ones_do_not() {
    let mut queue = with_stored(&["a", "b"]);
    queue.set_memory_limit(0);
    let mut arrivals = vec![stored(3, "c"), stored(4, "d")];
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), []);
    assert_eq!(get(&mut queue, false), [got(1, "a", 3)]);
    let from = lies_at(1).file;
    let runs = [Run { place: in_segment(3), ..run(3, 1) }, Run { place: lies_at(1), ..run(4, 1) }];
    let runs = runs.map(|run| Run { place: Place { file: SEGMENT, ..run.place }, ..run });
    let singles = [single(1, in_segment(1)), single(2, in_segment(2))];
    assert_eq!(settle(&mut queue, GETTER, 1, Outcome::Ack), [gone(1)]);
    assert_eq!(handle(&mut queue, Input::Relocate { from, runs: &runs, singles: &singles }), [Effect::Relocated(3)]);
    assert_eq!(queue.held_in(from), Contents::default());
    assert_eq!(queue.held_in(SEGMENT), Contents { runs: runs.to_vec(), singles: vec![singles[1]] });
    assert_eq!(queue.held_in_segments(), [SequenceNumber(2)..=SequenceNumber(4)]);
    assert_eq!(
        get(&mut queue, true),
        [got(2, "b", 2), Effect::Gone { sequence: SequenceNumber(2), place: in_segment(2) },]
    );
    assert_eq!(handle(&mut queue, Input::Relocate { from, runs: &runs, singles: &singles }), [Effect::Relocated(0)]);
}

#[test]
fn a_load_of_what_was_relocated_meanwhile_is_thrown_away_and_asked_for_anew() {
    let mut queue = with_paged(&["a"]);
    assert_eq!(get(&mut queue, true), [Effect::GotLater, Effect::Load(run(1, 1))]);
    let moved = Run { place: in_segment(1), ..run(1, 1) };
    let input = Input::Relocate { from: lies_at(1).file, runs: &[moved], singles: &[] };
    assert_eq!(handle(&mut queue, input), [Effect::Relocated(1)]);
    let mut messages = vec![(SequenceNumber(1), lies_at(1), message("a"))];
    assert_eq!(
        handle(&mut queue, Input::Loaded { run: run(1, 1), messages: &mut messages }),
        [Effect::Load(moved)],
        "whoever asked still waits"
    );
    let mut messages = vec![(SequenceNumber(1), in_segment(1), message("a"))];
    assert_eq!(handle(&mut queue, Input::Loaded { run: moved, messages: &mut messages }), []);
    assert_eq!(
        get(&mut queue, true),
        [got(1, "a", 0), Effect::Gone { sequence: SequenceNumber(1), place: in_segment(1) }]
    );
}

#[test]
fn what_was_loaded_during_the_copying_of_its_run_stays_for_the_next_round() {
    let mut queue = with_paged(&["a", "b"]);
    assert_eq!(get(&mut queue, true), [Effect::GotLater, Effect::Load(run(1, 2))]);
    let mut messages = (1..).zip(["a", "b"]).map(|(n, body)| (SequenceNumber(n), lies_at(n), message(body))).collect();
    assert_eq!(handle(&mut queue, Input::Loaded { run: run(1, 2), messages: &mut messages }), []);
    let moved = Run { place: Place { file: SEGMENT, ..run(1, 2).place }, ..run(1, 2) };
    let from = lies_at(1).file;
    assert_eq!(handle(&mut queue, Input::Relocate { from, runs: &[moved], singles: &[] }), [Effect::Relocated(0)]);
    let singles = vec![single(1, lies_at(1)), single(2, lies_at(2))];
    assert_eq!(queue.held_in(from), Contents { runs: Vec::new(), singles });
}

#[test]
fn a_recovered_queue_has_all_its_messages_and_goes_on_counting() {
    let redelivered = [SequenceNumber(2)..=SequenceNumber(4), SequenceNumber(8)..=SequenceNumber(8)];
    let runs = vec![run(1, 3), run(7, 2)];
    let mut queue = Queue::recovered(false, runs, SequenceNumber(20), &redelivered);
    assert_eq!((queue.ready_count(), queue.loaded_bytes(), queue.next_sequence()), (5, 0, SequenceNumber(20)));
    assert_eq!(
        queue.delivered_ranges(),
        [SequenceNumber(2)..=SequenceNumber(3), SequenceNumber(8)..=SequenceNumber(8)]
    );
    assert_eq!(handle(&mut queue, Input::Subscribe(consumer(ANN))), [Effect::Load(run(1, 3))]);
    let mut messages =
        (1..).zip(["a", "b", "c"]).map(|(n, body)| (SequenceNumber(n), lies_at(n), message(body))).collect();
    assert_eq!(
        handle(&mut queue, Input::Loaded { run: run(1, 3), messages: &mut messages }),
        [first(ANN, 1, "a"), again(ANN, 2, "b"), again(ANN, 3, "c"), Effect::Load(run(7, 2))]
    );
}

#[test]
fn a_clean_stop_is_told_which_ready_messages_were_handed_out() {
    let mut queue = with_stored(&["a", "b", "c", "d"]);
    for (checkout, body) in [(1, "a"), (2, "b"), (3, "c")] {
        assert_eq!(get(&mut queue, false), [got(checkout, body, 4 - usize::try_from(checkout).unwrap())]);
    }
    assert_eq!(settle(&mut queue, GETTER, 2, Outcome::Ack), [gone(2)]);
    assert_eq!(handle(&mut queue, Input::Abandon(GETTER)), []);
    assert_eq!(
        queue.delivered_ranges(),
        [SequenceNumber(1)..=SequenceNumber(1), SequenceNumber(3)..=SequenceNumber(3)]
    );
}
