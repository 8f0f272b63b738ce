//! The row groups in hand: any number of small ones, and of those that take much memory one at a time.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The row groups that are being decoded, and the next one.
#[derive(Default)]
pub(super) struct GroupsInHand {
    groups: Mutex<GroupMemory>,
    changed: Condvar,
}

#[derive(Default)]
struct GroupMemory {
    /// The row group that nobody has taken yet.
    next: usize,
    /// The bytes that each one takes, where that is known.
    taken: BTreeMap<usize, Option<u64>>,
}

/// A row group, which is in hand until this is dropped.
pub(super) struct GroupInHand<'a> {
    hand: &'a GroupsInHand,
    /// Its number, counted from 0.
    pub(super) group: usize,
}

impl GroupsInHand {
    /// Takes the next row group.
    pub(super) fn take(&self) -> GroupInHand<'_> {
        let mut groups = self.lock();
        let group = groups.next;
        groups.next += 1;
        groups.taken.insert(group, None);
        GroupInHand { hand: self, group }
    }

    /// Tells that a row group in hand takes so many bytes more. Where it takes more than `limit`, waits until no earlier one
    /// does: those are asked for first, so that they end without the later ones.
    pub(super) fn occupy(&self, group: usize, bytes: u64, limit: u64) {
        let mut groups = self.lock();
        let before = groups.taken.get(&group).copied().flatten();
        let bytes = before.unwrap_or(0).saturating_add(bytes);
        groups.taken.insert(group, Some(bytes));
        self.changed.notify_all();
        if bytes > limit {
            let is_large = |bytes: &Option<u64>| bytes.is_none_or(|bytes| bytes > limit);
            let waited = self.changed.wait_while(groups, |groups| {
                groups.taken.range(..group).any(|(_, it)| is_large(it))
            });
            drop(waited);
        }
    }

    fn lock(&self) -> MutexGuard<'_, GroupMemory> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for GroupInHand<'_> {
    fn drop(&mut self) {
        self.hand.lock().taken.remove(&self.group);
        self.hand.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn row_groups_are_taken_in_their_order() {
        let hand = GroupsInHand::default();
        let taken = [hand.take(), hand.take()];
        assert_eq!(taken.map(|it| it.group), [0, 1]);
        assert_eq!(hand.take().group, 2);
    }

    #[test]
    fn small_row_groups_wait_for_nobody() {
        let hand = GroupsInHand::default();
        let taken = [hand.take(), hand.take(), hand.take()];
        hand.occupy(2, 10, 10);
        hand.occupy(0, 99, 10);
        hand.occupy(1, 10, 10);
        drop(taken);
    }

    #[test]
    fn one_large_row_group_is_in_hand_at_a_time() {
        let hand = GroupsInHand::default();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (sender, receiver) = channel();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let sender = sender.clone();
                let (hand, now, most) = (&hand, &now, &most);
                scope.spawn(move || {
                    while let taken = hand.take()
                        && taken.group < 40
                    {
                        hand.occupy(taken.group, 6, 10);
                        hand.occupy(taken.group, 6, 10);
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        sender.send(taken.group).unwrap();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        drop(sender);
        let order: Vec<usize> = receiver.iter().collect();
        assert_eq!(order, (0..40).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), 1);
    }

    #[test]
    fn a_large_row_group_goes_on_when_the_one_before_turns_out_small() {
        let hand = GroupsInHand::default();
        let (first, second) = (hand.take(), hand.take());
        std::thread::scope(|scope| {
            let large = scope.spawn(|| hand.occupy(second.group, 11, 10));
            hand.occupy(first.group, 10, 10);
            large.join().unwrap();
        });
    }
}
