//! Equal values are kept once, as long as somebody has them. Must not know: what they are.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What identifies a value: a hash that is equal only for equal ones.
pub type Id = [u8; 32];

/// The values that are kept, each with how many have it.
// A tree: it gives its memory back after a crowd, and takes none in advance.
#[derive(Debug)]
pub struct Shelf<T>(Mutex<Kinds<T>>);

type Kinds<T> = BTreeMap<ById<T>, usize>;

/// A part in a value. The last one that is dropped takes the value off the shelf.
#[derive(Debug)]
pub struct Kept<T> {
    item: Arc<Item<T>>,
    shelf: Arc<Shelf<T>>,
}

#[derive(Debug)]
struct Item<T> {
    id: Id,
    value: T,
}

#[derive(Debug)]
struct ById<T>(Arc<Item<T>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<T> Shelf<T> {
    /// The value with this id, which is made if it is not kept yet.
    pub fn keep(self: &Arc<Self>, id: Id, make: impl FnOnce() -> T) -> Kept<T> {
        let mut kinds = self.lock();
        let known = kinds.get_key_value(&id).map(|(known, count)| (Arc::clone(&known.0), *count));
        let (item, count) = known.unwrap_or_else(|| (Arc::new(Item { id, value: make() }), 0));
        kinds.insert(ById(Arc::clone(&item)), count + 1);
        Kept { item, shelf: Arc::clone(self) }
    }

    /// Nobody else gets at it while this is held.
    #[cfg(test)]
    pub(super) fn held(&self) -> impl Sized + '_ {
        self.lock()
    }

    /// How many different values are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Kinds<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    /// What identifies the value.
    pub fn id(&self) -> &Id {
        &self.item.id
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item.value
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        let mut kinds = self.shelf.lock();
        if let Some(count) = kinds.get_mut(&self.item.id) {
            *count -= 1;
            if *count == 0 {
                // The value itself ends after the lock, with `item`.
                kinds.remove(&self.item.id);
            }
        }
    }
}

impl<T> Borrow<Id> for ById<T> {
    fn borrow(&self) -> &Id {
        &self.0.id
    }
}

impl<T> Ord for ById<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

impl<T> PartialOrd for ById<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for ById<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl<T> Eq for ById<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_kept_once_and_as_long_as_somebody_has_them() {
        let shelf = Arc::new(Shelf::default());
        let keep = |number: u8| shelf.keep([number; 32], || vec![number]);
        let (one, same, other) = (keep(1), keep(1), keep(2));
        assert!(Arc::ptr_eq(&one.item, &same.item) && !Arc::ptr_eq(&one.item, &other.item));
        assert_eq!((&*same, &*other, same.id(), shelf.len()), (&vec![1], &vec![2], &[1; 32], 2));
        drop(one);
        assert_eq!(shelf.len(), 2);
        drop((same, other));
        assert_eq!(shelf.len(), 0);
    }
}
