//! What the store promises, in fixed time.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is the point")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{BadKey, Change, Condition, EventKind, Key, LONGEST_KEY, Mismatch, Put, Revision, Revisions, Store};

const SECOND: Duration = Duration::from_secs(1);

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

/// A put that nothing stands against.
fn put(store: &mut Store, now: Instant, name: &str, value: &'static str, ttl: Option<Duration>) -> Put {
    store.put(now, key(name), Bytes::from(value), ttl, &Condition::default()).unwrap()
}

fn delete(store: &mut Store, now: Instant, name: &str) -> Option<Revision> {
    let event = store.delete(now, name, &Condition::default()).unwrap();
    event.map(|event| event.revision)
}

fn value(store: &Store, now: Instant, name: &str) -> Option<Bytes> {
    store.get(now, name).map(|found| found.value)
}

fn kinds(put: &Put) -> Vec<(EventKind, Revision)> {
    put.events.iter().map(|event| (event.kind, event.revision)).collect()
}

#[test]
fn a_key_is_neither_empty_nor_without_bound() {
    assert_eq!(Key::try_from(""), Err(BadKey::Empty));
    assert!(Key::try_from(&*"k".repeat(LONGEST_KEY)).is_ok());
    assert_eq!(Key::try_from(&*"k".repeat(LONGEST_KEY + 1)), Err(BadKey::TooLong));
}

#[test]
fn a_ttl_that_nobody_lives_to_see_is_for_ever() {
    let (mut store, now) = (Store::default(), Instant::now());
    for seconds in [100 * 365 * 24 * 60 * 60, i64::MAX as u64, u64::MAX] {
        put(&mut store, now, "k", "v", Some(Duration::from_secs(seconds)));
        assert_eq!((store.get(now, "k").unwrap().expires_in, store.next_deadline()), (None, None));
    }
}

#[test]
fn a_listing_of_long_keys_is_cut_short_and_says_so() {
    let (mut store, now) = (Store::default(), Instant::now());
    for number in 0..300 {
        put(&mut store, now, &format!("{number:0LONGEST_KEY$}"), "v", None);
    }
    let first = store.list(now, "", 300);
    // A megabyte of them.
    assert_eq!((first.keys.len(), first.more), (256, true));
}

#[test]
fn a_put_creates_and_another_one_replaces() {
    let (mut store, now) = (Store::default(), Instant::now());
    let first = put(&mut store, now, "k", "one", None);
    let second = put(&mut store, now, "k", "two", None);
    assert!(first.created && !second.created);
    assert_eq!(value(&store, now, "k").unwrap(), "two");
    assert_eq!(kinds(&second), [(EventKind::Put, 2)]);
}

#[test]
fn every_change_takes_the_next_revision_of_the_whole_store() {
    let (mut store, now) = (Store::default(), Instant::now());
    assert_eq!(put(&mut store, now, "a", "", None).revision, 1);
    assert_eq!(put(&mut store, now, "b", "", Some(SECOND)).revision, 2);
    assert_eq!(delete(&mut store, now, "a"), Some(3));
    let expired = store.expire(now + SECOND);
    assert_eq!((expired[0].kind, expired[0].revision), (EventKind::Expire, 4));
    assert_eq!(put(&mut store, now, "a", "", None).revision, 5);
}

#[test]
fn a_refused_change_changes_nothing() {
    let (mut store, now) = (Store::default(), Instant::now());
    put(&mut store, now, "k", "one", None);
    let absent = Condition { if_none_match: Some(Revisions::Any), ..Condition::default() };
    let other = Condition { if_match: Some(Revisions::OneOf(vec![9])), ..Condition::default() };
    let refused = store.put(now, key("k"), Bytes::new(), None, &absent);
    assert_eq!(refused, Err(Mismatch::IfNoneMatch));
    assert_eq!(store.delete(now, "k", &other), Err(Mismatch::IfMatch));
    assert_eq!(store.get(now, "k").unwrap().revision, 1);
    assert_eq!(put(&mut store, now, "k", "two", None).revision, 2);
}

#[test]
fn deleting_what_is_not_there_is_no_change_whatever_the_condition() {
    let (mut store, now) = (Store::default(), Instant::now());
    let present = Condition { if_match: Some(Revisions::Any), ..Condition::default() };
    assert_eq!(store.delete(now, "k", &present), Ok(None));
    assert_eq!(put(&mut store, now, "k", "", None).revision, 1);
}

#[test]
fn a_key_past_its_deadline_is_invisible_before_it_is_removed() {
    let (mut store, now) = (Store::default(), Instant::now());
    put(&mut store, now, "k", "one", Some(SECOND));
    assert_eq!(store.get(now, "k").unwrap().expires_in, Some(SECOND));

    let late = now + SECOND;
    assert_eq!(store.get(late, "k"), None);
    assert!(store.list(late, "", 10).keys.is_empty());
    assert_eq!(delete(&mut store, late, "k"), None);
}

#[test]
fn a_put_over_a_key_past_its_deadline_tells_of_both() {
    let (mut store, now) = (Store::default(), Instant::now());
    put(&mut store, now, "k", "one", Some(SECOND));
    let again = put(&mut store, now + SECOND, "k", "two", None);
    assert!(again.created);
    assert_eq!(kinds(&again), [(EventKind::Expire, 2), (EventKind::Put, 3)]);
    assert!(store.expire(now + 2 * SECOND).is_empty());
}

#[test]
fn a_later_put_without_a_ttl_drops_the_expiry() {
    let (mut store, now) = (Store::default(), Instant::now());
    put(&mut store, now, "k", "one", Some(SECOND));
    put(&mut store, now, "k", "two", None);
    assert_eq!(store.next_deadline(), None);
    assert_eq!(value(&store, now + 2 * SECOND, "k").unwrap(), "two");
}

#[test]
fn a_ttl_beyond_the_clock_is_no_expiry() {
    let (mut store, now) = (Store::default(), Instant::now());
    put(&mut store, now, "k", "", Some(Duration::MAX));
    assert_eq!(store.next_deadline(), None);
}

#[test]
fn expiry_goes_by_deadline_and_in_batches() {
    let (mut store, now) = (Store::default(), Instant::now());
    put(&mut store, now, "late", "", Some(3 * SECOND));
    put(&mut store, now, "soon", "", Some(SECOND));
    assert_eq!(store.next_deadline(), Some(now + SECOND));
    assert!(store.expire(now).is_empty());
    assert_eq!(&*store.expire(now + SECOND)[0].key, "soon");
    assert_eq!(store.next_deadline(), Some(now + 3 * SECOND));

    for number in 0..600 {
        put(&mut store, now, &number.to_string(), "", Some(SECOND));
    }
    let mut expired = 0;
    while store.next_deadline() == Some(now + SECOND) {
        let batch = store.expire(now + 2 * SECOND).len();
        assert!(batch < 600);
        expired += batch;
    }
    assert_eq!(expired, 600);
}

#[test]
fn a_listing_is_in_key_order_and_tells_whether_there_is_more() {
    let (mut store, now) = (Store::default(), Instant::now());
    for name in ["b/2", "a", "b/1", "c", "b/3"] {
        put(&mut store, now, name, "xyz", None);
    }
    let names = |prefix, limit| {
        let page = store.list(now, prefix, limit);
        let names: Vec<String> = page.keys.iter().map(|item| item.key.to_string()).collect();
        (names.join(" "), page.more)
    };
    assert_eq!(names("", 9), ("a b/1 b/2 b/3 c".into(), false));
    assert_eq!(names("b/", 2), ("b/1 b/2".into(), true));
    assert_eq!(names("b/", 3), ("b/1 b/2 b/3".into(), false));
    assert_eq!(names("z", 1), (String::new(), false));
    assert_eq!(store.list(now, "a", 1).keys[0].size, 3);
}

#[test]
fn entries_are_read_in_pieces_in_key_order() {
    let (mut store, now) = (Store::default(), Instant::now());
    for name in ["a", "b/2", "b/1", "b/3", "c"] {
        put(&mut store, now, name, "value", None);
    }
    put(&mut store, now, "b/gone", "value", Some(SECOND));
    let entries = |prefix, after, limit| -> Vec<String> {
        let entries = store.entries(now + SECOND, prefix, after, limit);
        entries.into_iter().map(|(key, value)| format!("{key} {}", value.len())).collect()
    };
    assert_eq!(entries("b/", None, 2), ["b/1 5", "b/2 5"]);
    assert_eq!(entries("b/", Some("b/2"), 2), ["b/3 5"]);
    assert_eq!(entries("b/", Some("a"), 1), ["b/1 5"], "never before the prefix");
    assert!(entries("b/", Some("c"), 9).is_empty(), "never beyond it");
    assert_eq!(entries("", None, 9).len(), 5);
}

#[test]
fn a_waiter_gets_what_is_newer_than_what_it_saw() {
    let (mut store, now) = (Store::default(), Instant::now());
    assert_eq!(store.changed_since(now, "k", 0), Change::Nothing);
    let seen = put(&mut store, now, "k", "one", None).revision;
    assert!(matches!(store.changed_since(now, "k", 0), Change::Value(_)));
    assert_eq!(store.changed_since(now, "k", seen), Change::Nothing);
    put(&mut store, now, "other", "", None);
    assert_eq!(store.changed_since(now, "k", seen), Change::Nothing);
}

#[test]
fn a_waiter_learns_of_a_removal_that_it_slept_through() {
    let (mut store, now) = (Store::default(), Instant::now());
    let seen = put(&mut store, now, "k", "", None).revision;
    let removed = delete(&mut store, now, "k").unwrap();
    assert_eq!(store.changed_since(now, "k", seen), Change::Removed);
    assert_eq!(store.changed_since(now, "k", removed), Change::Nothing);
    assert_eq!(store.changed_since(now, "k", 0), Change::Nothing);
    assert_eq!(store.changed_since(now, "never", seen), Change::Nothing);
}

#[test]
fn a_removal_too_old_to_be_remembered_looks_like_a_key_that_never_was() {
    let (mut store, now) = (Store::default(), Instant::now());
    let seen = put(&mut store, now, "k", "", None).revision;
    delete(&mut store, now, "k");
    for number in 0..2000 {
        let name = number.to_string();
        put(&mut store, now, &name, "", None);
        delete(&mut store, now, &name);
    }
    assert_eq!(store.changed_since(now, "k", seen), Change::Nothing);
    assert_eq!(store.changed_since(now, "never", seen), Change::Nothing);
}

/// Random steps, against a model that is too simple to be wrong: a list that is always searched.
#[test]
fn the_store_agrees_with_a_simple_model() {
    const STEPS: usize = if cfg!(miri) { 300 } else { 20_000 };
    let (mut store, mut now) = (Store::default(), Instant::now());
    let mut model: Vec<(String, Revision, Option<Instant>)> = Vec::new();
    let mut last = 0;
    let mut seed = 42_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for _ in 0..STEPS {
        let name = format!("key{}", random(8));
        let mut events = Vec::new();
        match random(4) {
            0 => {
                let ttl = (random(2) == 0).then(|| random(5) as u32 * SECOND);
                let done = put(&mut store, now, &name, "", ttl);
                let created = !model.iter().any(|(key, _, at)| *key == name && at.is_none_or(|at| at > now));
                assert_eq!(done.created, created);
                model.retain(|(key, ..)| *key != name);
                model.push((name.clone(), done.revision, ttl.map(|ttl| now + ttl)));
                events = done.events;
            }
            1 => {
                let there = model.iter().any(|(key, _, at)| *key == name && at.is_none_or(|at| at > now));
                events.extend(store.delete(now, &name, &Condition::default()).unwrap());
                assert_eq!(!events.is_empty(), there);
                model.retain(|(key, ..)| *key != name || !there);
            }
            2 => {
                events = store.expire(now);
                assert!(store.next_deadline().is_none_or(|at| at > now));
                let before = model.len();
                model.retain(|(.., at)| at.is_none_or(|at| at > now));
                assert_eq!(events.len(), before - model.len());
            }
            _ => now += random(2) as u32 * SECOND,
        }
        for event in events {
            last += 1;
            assert_eq!(event.revision, last, "events come in order, none is left out");
        }
        let mut expected: Vec<_> = model
            .iter()
            .filter(|(.., at)| at.is_none_or(|at| at > now))
            .map(|(key, revision, _)| (key.clone(), *revision))
            .collect();
        expected.sort();
        let listed = store.list(now, "key", 100).keys;
        let listed: Vec<_> = listed.iter().map(|item| (item.key.to_string(), item.revision)).collect();
        assert_eq!(listed, expected);
    }
}
