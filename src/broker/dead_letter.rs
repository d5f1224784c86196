//! What a dead message looks like in its new place: the history of its deaths in its headers, its new names, without its
//! expiration (RabbitMQ extension). Where it goes is for whoever routes it.

use bytes::{BufMut, BytesMut};
use leveret_protocol::{FieldTable, FieldValue, HeaderView, Properties, ShortString};

use crate::broker::message::{Message, Traits};
use crate::broker::queue::{DeadLetter, DeathReason};
use crate::broker::time::Timestamp;

/// The header with the history, an array of tables, latest first.
const DEATHS: &str = "x-death";

/// The most entries of a history: it has to fit into a frame, and a message that dies of itself this often is taken to
/// go in a circle.
const MOST_DEATHS: usize = 256;

/// Octets of a content header before its properties: class, weight, body size.
const BEFORE_PROPERTIES: usize = 12;

/// A message's death in a queue.
#[derive(Clone, Copy, Debug)]
pub struct Death<'a> {
    /// The queue.
    pub queue: &'a ShortString,
    /// Why.
    pub reason: DeathReason,
    /// Where it is to go.
    pub to: &'a DeadLetter,
    /// When.
    pub now: Timestamp,
}

/// A dead message in its new form.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The message.
    pub message: Message,
    /// What it is routed by.
    pub routing_keys: Vec<Vec<u8>>,
    /// Its headers.
    pub headers: FieldTable,
    /// It was rejected: a circle is what the consumer wants.
    rejected: bool,
}

impl Letter {
    /// Makes it. `None`: its header cannot be read, which no message has that came in.
    #[must_use]
    pub fn new(message: &Message, death: &Death<'_>) -> Option<Self> {
        let view = HeaderView::parse(message.header()).ok()?;
        let mut properties = view.properties().ok()?;
        let original_expiration = properties.expiration.take();
        let mut headers = properties.headers.take().unwrap_or_default();
        let carbon_copies = carbon_copies(&headers);
        let history = history(message, &headers);
        let routing_keys = match &death.to.routing_key {
            Some(routing_key) => vec![routing_key.as_bytes().to_vec()],
            None => std::iter::once(message.routing_key().to_vec()).chain(carbon_copies.clone()).collect(),
        };
        let first = history.is_empty();
        let died = Died { message, death, original_expiration: original_expiration.as_ref(), carbon_copies };
        headers.insert(DEATHS, FieldValue::Array(died.added_to(history)));
        note(&mut headers, "first", first, message, death);
        note(&mut headers, "last", true, message, death);
        sort(&mut headers);
        properties.headers = Some(headers.clone());
        let routing_key = ShortString::new(routing_keys.first().cloned().unwrap_or_default()).unwrap_or_default();
        let renamed = rewritten(message, &death.to.exchange, &routing_key, &properties, death.now)?;
        Some(Self { message: renamed, routing_keys, headers, rejected: death.reason == DeathReason::Rejected })
    }

    /// Whether the message has been in that queue before and has come round without anybody's doing: then it is dropped
    /// there. A consumer that rejected it meanwhile wanted it to go on.
    #[must_use]
    pub fn goes_in_a_circle(&self, queue: &ShortString) -> bool {
        if self.rejected {
            return false;
        }
        let Some(FieldValue::Array(deaths)) = self.headers.get(DEATHS) else { return false };
        let too_many = deaths.len() >= MOST_DEATHS;
        for death in deaths.iter().filter_map(FieldValue::as_table) {
            if death.get("reason").and_then(FieldValue::as_bytes) == Some(DeathReason::Rejected.name().as_bytes()) {
                return false;
            }
            if death.get("queue").and_then(FieldValue::as_bytes) == Some(queue.as_bytes()) {
                return true;
            }
        }
        too_many
    }
}

/// Which of a message's deaths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WhichDeath {
    /// The first one.
    First,
    /// The last one.
    Last,
}

/// Where a dead message was before: its queue, and as what it was published to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The queue.
    pub queue: ShortString,
    /// The exchange it was published to.
    pub exchange: ShortString,
    /// The routing key it was published with.
    pub routing_key: ShortString,
}

/// Where a message was when it died, by its own history. `None`: the broker knows of no death of it.
#[must_use]
pub fn home(message: &Message, which: WhichDeath) -> Option<Home> {
    let headers = HeaderView::parse(message.header()).ok()?.properties().ok()?.headers?;
    let deaths = history(message, &headers);
    let queue_of = |death: &FieldValue| death.as_table()?.get("queue")?.as_bytes().map(<[u8]>::to_vec);
    let queue = match which {
        // An entry that is counted up comes to the front: the first death need not be the last entry.
        WhichDeath::First => headers.get("x-first-death-queue")?.as_bytes()?.to_vec(),
        WhichDeath::Last => queue_of(deaths.first()?)?,
    };
    let death = deaths.iter().find(|death| queue_of(death).as_ref() == Some(&queue))?.as_table()?;
    let name = |value: &FieldValue| ShortString::new(value.as_bytes()?).ok();
    Some(Home {
        queue: ShortString::new(queue).ok()?,
        exchange: name(death.get("exchange")?)?,
        routing_key: name(death.get("routing-keys")?.as_array()?.first()?)?,
    })
}

/// Why a message died last, in RabbitMQ's word. `None`: the broker knows of no death of it.
#[must_use]
pub fn last_reason(message: &Message, headers: &FieldTable) -> Option<String> {
    let deaths = history(message, headers);
    deaths.first()?.as_table()?.get("reason")?.as_str().map(str::to_owned)
}

/// A death with what the message was until then.
struct Died<'a> {
    message: &'a Message,
    death: &'a Death<'a>,
    original_expiration: Option<&'a ShortString>,
    carbon_copies: Vec<Vec<u8>>,
}

impl Died<'_> {
    /// The history with this death: counted where it is known, and first.
    fn added_to(self, mut history: Vec<FieldValue>) -> Vec<FieldValue> {
        let known = history.iter().position(|death| self.is_the_same(death));
        let entry = match known.map(|at| history.remove(at)) {
            Some(FieldValue::Table(mut entry)) => {
                let count = entry.get("count").and_then(FieldValue::as_integer).unwrap_or_default();
                entry.insert("count", FieldValue::I64(count.saturating_add(1)));
                entry
            }
            Some(_) | None => self.entry(),
        };
        history.insert(0, FieldValue::Table(entry));
        history.truncate(MOST_DEATHS);
        history
    }

    fn is_the_same(&self, death: &FieldValue) -> bool {
        let Some(death) = death.as_table() else { return false };
        death.get("queue").and_then(FieldValue::as_bytes) == Some(self.death.queue.as_bytes())
            && death.get("reason").and_then(FieldValue::as_bytes) == Some(self.death.reason.name().as_bytes())
    }

    /// The fields in RabbitMQ's order.
    fn entry(&self) -> FieldTable {
        let text = |octets: &[u8]| FieldValue::LongString(bytes::Bytes::copy_from_slice(octets));
        let routing_keys =
            std::iter::once(self.message.routing_key()).chain(self.carbon_copies.iter().map(Vec::as_slice));
        let mut entry = FieldTable::new();
        if let Some(expiration) = self.original_expiration {
            entry.insert("original-expiration", text(expiration.as_bytes()));
        }
        entry.insert("count", FieldValue::I64(1));
        entry.insert("reason", FieldValue::text(self.death.reason.name()));
        entry.insert("queue", text(self.death.queue.as_bytes()));
        entry.insert("time", FieldValue::Timestamp(self.death.now.as_millis() / 1000));
        entry.insert("exchange", text(self.message.exchange()));
        entry.insert("routing-keys", FieldValue::Array(routing_keys.map(text).collect()));
        entry
    }
}

/// The deaths that the broker noted. What a client put there is not looked at.
fn history(message: &Message, headers: &FieldTable) -> Vec<FieldValue> {
    if !message.traits().has(Traits::DIED) {
        return Vec::new();
    }
    headers.get(DEATHS).and_then(FieldValue::as_array).unwrap_or_default().to_vec()
}

/// Notes the first or the last death by itself, for clients that do not read arrays.
fn note(headers: &mut FieldTable, which: &str, now: bool, message: &Message, death: &Death<'_>) {
    if !now {
        return;
    }
    let text = |octets: &[u8]| FieldValue::LongString(bytes::Bytes::copy_from_slice(octets));
    headers.insert(&format!("x-{which}-death-reason"), FieldValue::text(death.reason.name()));
    headers.insert(&format!("x-{which}-death-queue"), text(death.queue.as_bytes()));
    headers.insert(&format!("x-{which}-death-exchange"), text(message.exchange()));
}

/// RabbitMQ sends headers that it has touched in the order of their names.
fn sort(headers: &mut FieldTable) {
    let mut entries: Vec<_> = headers.iter().cloned().collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut sorted = FieldTable::new();
    entries.into_iter().for_each(|(name, value)| sorted.push(name, value));
    *headers = sorted;
}

/// The message with other headers, in the order of their names. `None`: its header cannot be read, which no message has
/// that came in.
pub(super) fn with_headers(message: &Message, change: impl FnOnce(&mut FieldTable)) -> Option<Message> {
    let mut properties = HeaderView::parse(message.header()).ok()?.properties().ok()?;
    let headers = properties.headers.get_or_insert_default();
    change(headers);
    sort(headers);
    let mut header = BytesMut::with_capacity(message.header().len() + 64);
    header.extend_from_slice(message.header().get(..BEFORE_PROPERTIES)?);
    properties.encode(&mut header);
    Some(message.with_header(&header))
}

fn carbon_copies(headers: &FieldTable) -> Vec<Vec<u8>> {
    let members = headers.get("CC").and_then(FieldValue::as_array).unwrap_or_default();
    members.iter().filter_map(|member| member.as_bytes().map(<[u8]>::to_vec)).collect()
}

fn rewritten(
    message: &Message,
    exchange: &ShortString,
    routing_key: &ShortString,
    properties: &Properties,
    now: Timestamp,
) -> Option<Message> {
    let mut bytes = BytesMut::with_capacity(message.bytes().len() + 512);
    for name in [exchange, routing_key] {
        bytes.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(name.as_bytes());
    }
    let names = bytes.len();
    bytes.extend_from_slice(message.header().get(..BEFORE_PROPERTIES)?);
    properties.encode(&mut bytes);
    let header = bytes.len() - names;
    bytes.extend_from_slice(message.body());
    let traits = message.traits().without(Traits::EXPIRES).with(Traits::HEADERS).with(Traits::DIED);
    Message::from_parts(bytes, names, header, traits, now)
}

#[cfg(test)]
mod tests {
    use leveret_protocol::ContentHeader;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_500);

    fn name(text: &str) -> ShortString {
        ShortString::new(text).unwrap()
    }

    fn message(properties: Properties) -> Message {
        let mut bytes = BytesMut::from(&b"\x02ex\x03key"[..]);
        let names = bytes.len();
        ContentHeader { class_id: 60, weight: 0, body_size: 4, properties }.encode(&mut bytes);
        let header = bytes.len() - names;
        bytes.extend_from_slice(b"body");
        let traits = Traits::PERSISTENT.with(Traits::EXPIRES);
        Message::from_parts(bytes, names, header, traits, Timestamp::ZERO).unwrap()
    }

    fn to(routing_key: Option<&str>) -> DeadLetter {
        DeadLetter { exchange: name("dlx"), routing_key: routing_key.map(name) }
    }

    fn die(message: &Message, queue: &str, reason: DeathReason, to: &DeadLetter) -> Letter {
        Letter::new(message, &Death { queue: &name(queue), reason, to, now: NOW }).unwrap()
    }

    #[test]
    fn a_dead_message_knows_where_it_was_first_and_last() {
        let alive = message(Properties::default());
        assert_eq!(home(&alive, WhichDeath::First), None);
        let once = die(&alive, "one", DeathReason::Rejected, &to(Some("again"))).message;
        let twice = die(&once, "two", DeathReason::Expired, &to(None)).message;
        let home_in = |queue, exchange, routing_key| {
            Some(Home { queue: name(queue), exchange: name(exchange), routing_key: name(routing_key) })
        };
        for (message, first, last) in [
            (&once, home_in("one", "ex", "key"), home_in("one", "ex", "key")),
            (&twice, home_in("one", "ex", "key"), home_in("two", "dlx", "again")),
        ] {
            assert_eq!((home(message, WhichDeath::First), home(message, WhichDeath::Last)), (first, last));
        }
        let back = die(&twice, "one", DeathReason::Rejected, &to(None));
        assert_eq!(
            home(&back.message, WhichDeath::First).map(|home| home.queue),
            Some(name("one")),
            "though counted up"
        );
        assert_eq!(last_reason(&back.message, &back.headers).as_deref(), Some("rejected"));
    }

    fn deaths(letter: &Letter) -> Vec<(String, String, i64)> {
        let text = |table: &FieldTable, field: &str| table.get(field).and_then(FieldValue::as_str).unwrap().to_owned();
        let deaths = letter.headers.get(DEATHS).and_then(FieldValue::as_array).unwrap();
        let deaths = deaths.iter().filter_map(FieldValue::as_table);
        deaths
            .map(|death| {
                let count = death.get("count").and_then(FieldValue::as_integer).unwrap();
                (text(death, "queue"), text(death, "reason"), count)
            })
            .collect()
    }

    #[test]
    fn a_dead_message_has_new_names_no_expiration_and_the_time_of_its_death() {
        let letter = die(
            &message(Properties { expiration: Some(name("5")), ..Properties::default() }),
            "q",
            DeathReason::Expired,
            &to(Some("dead")),
        );
        let message = &letter.message;
        assert_eq!(
            (message.exchange(), message.routing_key(), message.body()),
            (&b"dlx"[..], &b"dead"[..], &b"body"[..])
        );
        assert_eq!((message.expiration(), message.arrived()), (None, NOW));
        assert!(message.is_persistent());
        let properties = HeaderView::parse(message.header()).unwrap().properties().unwrap();
        assert_eq!((properties.expiration, properties.headers.as_ref()), (None, Some(&letter.headers)));
        let death = letter.headers.get(DEATHS).and_then(FieldValue::as_array).unwrap()[0].as_table().unwrap();
        assert_eq!(death.get("time"), Some(&FieldValue::Timestamp(1_700_000_000)));
        assert_eq!(death.get("original-expiration"), Some(&FieldValue::text("5")));
    }

    #[test]
    fn every_queue_and_reason_is_counted_by_itself_and_the_latest_comes_first() {
        let to = to(None);
        let first = die(&message(Properties::default()), "work", DeathReason::Rejected, &to);
        let second = die(&first.message, "wait", DeathReason::Expired, &to);
        let third = die(&second.message, "work", DeathReason::Rejected, &to);
        let told = |queue: &str, reason: &str, count| (queue.to_owned(), reason.to_owned(), count);
        assert_eq!(deaths(&third), [told("work", "rejected", 2), told("wait", "expired", 1)]);
        assert_eq!(third.headers.get("x-first-death-queue"), Some(&FieldValue::text("work")));
        assert_eq!(third.headers.get("x-last-death-queue"), Some(&FieldValue::text("work")));
        assert_eq!(third.headers.get("x-last-death-exchange"), Some(&FieldValue::text("dlx")));
        assert_eq!(third.headers.get("x-first-death-exchange"), Some(&FieldValue::text("ex")));
    }

    #[test]
    fn a_circle_is_one_only_without_a_rejection_in_it() {
        let to = to(None);
        let one = die(&message(Properties::default()), "one", DeathReason::Expired, &to);
        assert!(one.goes_in_a_circle(&name("one")));
        assert!(!one.goes_in_a_circle(&name("two")));
        let two = die(&one.message, "two", DeathReason::MaxLength, &to);
        assert!(two.goes_in_a_circle(&name("one")));
        let rejected = die(&two.message, "three", DeathReason::Rejected, &to);
        assert!(!rejected.goes_in_a_circle(&name("one")));
        let after = die(&rejected.message, "four", DeathReason::Expired, &to);
        assert!(!after.goes_in_a_circle(&name("one")));
        assert!(after.goes_in_a_circle(&name("four")));
    }

    #[test]
    fn whoever_dies_too_often_of_itself_goes_in_a_circle() {
        let to = to(None);
        let mut letter = die(&message(Properties::default()), "0", DeathReason::Expired, &to);
        for number in 1..MOST_DEATHS {
            assert!(!letter.goes_in_a_circle(&name("next")), "{number}");
            letter = die(&letter.message, &number.to_string(), DeathReason::Expired, &to);
        }
        assert!(letter.goes_in_a_circle(&name("next")));
        let rejected = die(&letter.message, "last", DeathReason::Rejected, &to);
        assert!(!rejected.goes_in_a_circle(&name("next")));
        assert_eq!(deaths(&rejected).len(), MOST_DEATHS);
    }

    #[test]
    fn a_header_of_a_client_is_no_history() {
        let mut headers = FieldTable::new();
        headers.insert(DEATHS, FieldValue::Array(vec![FieldValue::text("nonsense")]));
        let letter = die(
            &message(Properties { headers: Some(headers), ..Properties::default() }),
            "q",
            DeathReason::Rejected,
            &to(None),
        );
        assert_eq!(deaths(&letter), [("q".to_owned(), "rejected".to_owned(), 1)]);
    }

    #[test]
    fn without_a_routing_key_of_the_queue_all_keys_stay() {
        let mut headers = FieldTable::new();
        headers.insert("CC", FieldValue::Array(vec![FieldValue::text("copy")]));
        let message = message(Properties { headers: Some(headers), ..Properties::default() });
        let kept = die(&message, "q", DeathReason::Rejected, &to(None));
        assert_eq!(kept.routing_keys, [b"key".to_vec(), b"copy".to_vec()]);
        let replaced = die(&message, "q", DeathReason::Rejected, &to(Some("dead")));
        assert_eq!(replaced.routing_keys, [b"dead".to_vec()]);
    }
}
