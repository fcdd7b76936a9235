//! Lists: one page at a time, newest first.
//!
//! A page goes on after the id where the last one ended, never at an offset: an offset costs more the deeper it goes,
//! and skips or repeats rows while others are written. Ids sort by time, so "newest first" is the order of ids, backwards.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_kernel::Id;
use gatepost_problem::Check;
use serde::Serialize;
use utoipa::ToSchema;

/// How many entries a page has where the client does not say.
const DEFAULT_LIMIT: u32 = 50;
/// How many it can have.
const MAX_LIMIT: u32 = 100;

/// How many rows a list with filters looks at for one page. A filter that rarely matches would otherwise read everything that
/// somebody has; with this a page costs the same whatever is filtered, and may have fewer entries than were asked for, or
/// none, and still lead on.
pub const WINDOW: i64 = 1_000;

/// Which page a client wants, believed.
pub struct Paging<K> {
    after: Option<Id<K>>,
    limit: u32,
}

impl<K> Paging<K> {
    /// Believes `?limit=` and `?cursor=`, and notes what is wrong with them. An out-of-range limit is refused, not
    /// clamped: a client that asks for a thousand should not believe that a hundred are all.
    pub fn check(check: &mut Check, limit: Option<u32>, cursor: Option<&str>) -> Option<Self> {
        let limit = believe_limit(check, limit);
        let after = believe_cursor(check, cursor, Cursor::id);
        Some(Self { after: after?, limit: limit? })
    }

    /// The id that the page before ended with.
    pub const fn after(&self) -> Option<Id<K>> {
        self.after
    }

    /// How many rows a statement should read: one more than the page has, to know whether there is a next one.
    pub fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Makes a page of the rows that a statement read with [`Paging::rows`].
    pub fn page<R, T>(&self, mut rows: Vec<R>, id: impl Fn(&R) -> Id<K>, body: impl Fn(R) -> T) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|row| Cursor::of_id(id(row)).write());
        Page { data: rows.into_iter().map(body).collect(), next_cursor }
    }
}

impl<K> Paging<K> {
    /// Makes a page of the rows that filters let through. `end` is where a full [`WINDOW`] ended: as far as nothing was
    /// looked at beyond, the next page begins there.
    pub fn page_of_window<R, T>(
        &self,
        rows: Vec<R>,
        end: Option<Id<K>>,
        id: impl Fn(&R) -> Id<K>,
        body: impl Fn(R) -> T,
    ) -> Page<T> {
        let mut page = self.page(rows, id, body);
        page.next_cursor = page.next_cursor.or_else(|| end.map(|id| Cursor::of_id(id).write()));
        page
    }
}

impl<T> Page<T> {
    /// All there is, where that is always little.
    pub const fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None }
    }

    /// A page that another one follows if there is a place to go on after.
    pub(crate) fn new(data: Vec<T>, next: Option<&Cursor>) -> Self {
        Self { data, next_cursor: next.map(Cursor::write) }
    }
}

/// Believes `?limit=`.
pub(crate) fn believe_limit(check: &mut Check, limit: Option<u32>) -> Option<u32> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let in_range = (1..=MAX_LIMIT).contains(&limit);
    check.require(in_range, "/limit", "out_of_range", format!("A page has 1 to {MAX_LIMIT} entries."));
    in_range.then_some(limit)
}

/// Believes `?cursor=` as a place of this kind; absent is `Some(None)`.
pub(crate) fn believe_cursor<P>(
    check: &mut Check,
    cursor: Option<&str>,
    place: impl FnOnce(&Cursor) -> Option<P>,
) -> Option<Option<P>> {
    let Some(text) = cursor else { return Some(None) };
    let place = Cursor::read(text).and_then(|cursor| place(&cursor));
    check.require(place.is_some(), "/cursor", "invalid_cursor", "Send the `next_cursor` of the page before.");
    place.map(Some)
}

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    /// The entries, newest first unless the operation says otherwise.
    data: Vec<T>,
    /// Send it as `cursor` for the next page; `null` on the last one.
    next_cursor: Option<String>,
}

/// A place in a list, after which the next page begins: opaque, not secret. It names a place, not a permission.
pub(crate) struct Cursor(Vec<u8>);

impl Cursor {
    /// The longest text that is looked at.
    const LONGEST: usize = 512;

    /// The place of an id, in lists that are ordered by them.
    pub(crate) fn of_id<K>(id: Id<K>) -> Self {
        Self(id.as_uuid().as_bytes().to_vec())
    }

    /// The place of a name, in lists that are ordered by those.
    pub(crate) fn of_name(name: &str) -> Self {
        Self(name.as_bytes().to_vec())
    }

    /// The id: 16 bytes, nothing else.
    pub(crate) fn id<K>(&self) -> Option<Id<K>> {
        self.0.as_slice().try_into().ok().map(Id::from_bytes)
    }

    /// The name.
    pub(crate) fn name(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }

    fn read(text: &str) -> Option<Self> {
        (text.len() <= Self::LONGEST).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten().map(Self)
    }

    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use gatepost_kernel::{Random, Timestamp};

    use super::*;

    enum Thing {}

    fn ids(count: i64) -> Vec<Id<Thing>> {
        let random = Random::system();
        (0..count).rev().map(|second| Id::generate(Timestamp::from_secs(second), &random)).collect()
    }

    #[test]
    fn a_cursor_leads_on_from_the_last_entry_and_the_last_page_has_none() {
        let rows = ids(3);
        let paging = Paging::<Thing>::check(&mut Check::new(), Some(2), None).unwrap();
        assert_eq!(paging.rows(), 3);
        let first = paging.page(rows.clone(), |row| *row, |row| row.to_string());
        assert_eq!(first.data, [rows[0].to_string(), rows[1].to_string()]);
        let next = first.next_cursor.unwrap();
        let paging = Paging::<Thing>::check(&mut Check::new(), Some(2), Some(&next)).unwrap();
        assert!(paging.after() == Some(rows[1]));
        let last = paging.page(vec![rows[2]], |row| *row, |row| row.to_string());
        assert_eq!((last.data.len(), last.next_cursor), (1, None));
    }

    #[test]
    fn a_page_that_filters_left_empty_leads_on_from_the_end_of_its_window() {
        let rows = ids(3);
        let paging = Paging::<Thing>::check(&mut Check::new(), Some(2), None).unwrap();
        let page =
            |rows: Vec<Id<Thing>>, end| paging.page_of_window(rows, end, |row| *row, |row| row).next_cursor;
        assert_eq!(page(Vec::new(), Some(rows[2])), Some(Cursor::of_id(rows[2]).write()));
        assert_eq!(page(vec![rows[0]], None), None);
        // A page that is full ends with its last entry, wherever the window does.
        assert_eq!(page(rows.clone(), Some(rows[2])), Some(Cursor::of_id(rows[1]).write()));
    }

    #[test]
    fn az_09_a_limit_out_of_range_and_a_made_up_cursor_are_refused_together() {
        for (limit, cursor) in
            [(0, "x"), (101, "AAAAAAAAAAAAAAAAAAAAAAA"), (u32::MAX, "!!!!!!!!!!!!!!!!!!!!!!")]
        {
            let mut check = Check::new();
            assert!(Paging::<Thing>::check(&mut check, Some(limit), Some(cursor)).is_none());
            let problem = check.finish().unwrap_err();
            let codes: Vec<_> = problem.errors().iter().map(|error| error.code).collect();
            assert_eq!(codes, ["out_of_range", "invalid_cursor"], "{limit} {cursor}");
        }
    }
}
