//! topic: routing keys as words between dots, matched by binding keys in which `*` is one word and `#` any number of
//! words. A trie over the words; branches are shared between clones until one of them changes.
//!
//! The empty routing key has no words; a key with n dots has n + 1 words, of which any may be empty. Wildcards count
//! only as whole words: `a*` is a word like any other. RabbitMQ 4.3 refuses more than two `#` in a key, because its matcher
//! is exponential in them; this one is not.

use std::collections::BTreeSet;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use smallvec::SmallVec;

use super::{Envelope, Routing};
use crate::broker::exchange::binding::{Binding, Destination};
use crate::broker::exchange::destinations::Destinations;

type Words<'a> = SmallVec<[&'a [u8]; 8]>;

/// Most words are short, and compared where they lie: a table of a million bindings is in no cache.
type Word = SmallVec<[u8; 16]>;

/// The trie's root.
#[derive(Clone, Debug, Default)]
pub struct Table {
    root: Node,
}

#[derive(Clone, Debug, Default)]
struct Node {
    words: RedBlackTreeMapSync<Word, Arc<Self>>,
    star: Option<Arc<Self>>,
    hash: Option<Arc<Self>>,
    destinations: Destinations,
}

impl Routing for Table {
    fn bind(&mut self, binding: &Binding) {
        self.root.bind(&split(binding.binding_key.as_bytes()), &binding.destination);
    }

    fn unbind(&mut self, binding: &Binding) {
        self.root.unbind(&split(binding.binding_key.as_bytes()), &binding.destination);
    }

    fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        for routing_key in envelope.routing_keys {
            Matching { words: split(routing_key), seen: BTreeSet::new(), found }.visit(&self.root, 0);
        }
    }
}

fn split(key: &[u8]) -> Words<'_> {
    if key.is_empty() {
        return Words::new();
    }
    key.split(|octet| *octet == b'.').collect()
}

impl Node {
    fn bind(&mut self, words: &[&[u8]], destination: &Destination) {
        let Some((word, rest)) = words.split_first() else {
            self.destinations.add(destination);
            return;
        };
        match *word {
            b"*" => Arc::make_mut(self.star.get_or_insert_default()).bind(rest, destination),
            b"#" => Arc::make_mut(self.hash.get_or_insert_default()).bind(rest, destination),
            literal => {
                let mut child = self.words.get(literal).cloned().unwrap_or_default();
                Arc::make_mut(&mut child).bind(rest, destination);
                self.words.insert_mut(Word::from_slice(literal), child);
            }
        }
    }

    fn unbind(&mut self, words: &[&[u8]], destination: &Destination) {
        let Some((word, rest)) = words.split_first() else {
            self.destinations.remove(destination);
            return;
        };
        match *word {
            b"*" => Self::unbind_wildcard(&mut self.star, rest, destination),
            b"#" => Self::unbind_wildcard(&mut self.hash, rest, destination),
            literal => {
                let Some(mut child) = self.words.get(literal).cloned() else { return };
                Arc::make_mut(&mut child).unbind(rest, destination);
                if child.is_empty() {
                    self.words.remove_mut(literal);
                } else {
                    self.words.insert_mut(Word::from_slice(literal), child);
                }
            }
        }
    }

    fn unbind_wildcard(slot: &mut Option<Arc<Self>>, rest: &[&[u8]], destination: &Destination) {
        let Some(child) = slot else { return };
        Arc::make_mut(child).unbind(rest, destination);
        if child.is_empty() {
            *slot = None;
        }
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.star.is_none() && self.hash.is_none() && self.destinations.is_empty()
    }
}

struct Matching<'a> {
    words: Words<'a>,
    /// (node, words consumed) pairs below a `#`, each walked once: without it, n `#` in a row cost (words)^n steps.
    seen: BTreeSet<(usize, usize)>,
    found: &'a mut dyn FnMut(&Destination),
}

impl Matching<'_> {
    /// `node` matches all words before `at`.
    fn visit(&mut self, node: &Node, at: usize) {
        if let Some(word) = self.words.get(at).copied() {
            if let Some(child) = node.words.get(word) {
                self.visit(child, at + 1);
            }
            if let Some(child) = &node.star {
                self.visit(child, at + 1);
            }
        } else {
            node.destinations.iter().for_each(&mut *self.found);
        }
        if let Some(child) = &node.hash {
            self.visit_hash(child, at);
        }
    }

    /// `node` is reached by a `#`, which may take any number of the words from `at` on.
    fn visit_hash(&mut self, node: &Arc<Node>, at: usize) {
        for end in at..=self.words.len() {
            // From (node, end) on the walk is the same however it got there.
            if !self.seen.insert((Arc::as_ptr(node).addr(), end)) {
                return;
            }
            self.visit(node, end);
        }
    }
}
