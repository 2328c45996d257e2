//! Whether somebody else keeps changing a child, and how long a repair then waits. Pure: `now` is an argument.

use std::time::{Duration, Instant};

/// So many repairs of one child within [`WINDOW`] are made at once.
const AT_ONCE: usize = 3;

/// A child that stays for so long as it was left is disputed no more, and no repair waits longer.
const WINDOW: Duration = Duration::from_mins(10);

/// What the first repair waits that does not come at once; each further one waits twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_secs(30);

/// An edit of a child that was not made by Creel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The field manager of the edit; `None`: the child was deleted.
    pub manager: Option<String>,
    /// What the cache shows of the child: the same version is the same edit.
    pub version: Option<String>,
}

/// The repairs of one child.
#[derive(Debug, Default)]
pub struct Dispute {
    /// The last few repairs.
    repairs: Vec<Instant>,
    /// The last edit that was repaired.
    repaired: Option<Edit>,
    /// The edit that is there now.
    edit: Option<Edit>,
    /// How many edits there were above those that are repaired at once.
    excess: u32,
}

impl Dispute {
    /// Notes the edit that is there now. Returns how long its repair has to wait; `None`: not at all.
    pub fn edited(&mut self, edit: &Edit, now: Instant) -> Option<Duration> {
        let last = *self.repairs.last()?;
        if self.repaired.as_ref() == Some(edit) && edit.version.is_some() {
            return None;
        }
        if self.edit.is_none() {
            if now.saturating_duration_since(last) >= WINDOW {
                *self = Self::default();
            } else if self.excess > 0 || self.is_burst(now) {
                self.excess = self.excess.saturating_add(1);
            }
            self.edit = Some(edit.clone());
        }
        let doublings = self.excess.checked_sub(1)?;
        let wait = FIRST_WAIT.saturating_mul(1 << doublings.min(8)).min(WINDOW);
        (last + wait).checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// The edit was undone.
    pub fn repaired(&mut self, edit: Edit, now: Instant) {
        if self.repairs.len() == AT_ONCE {
            self.repairs.remove(0);
        }
        self.repairs.push(now);
        (self.repaired, self.edit) = (Some(edit), None);
    }

    /// The child is as it was left.
    pub fn is_well(&mut self) {
        self.edit = None;
    }

    /// Who keeps changing the child, while that is so; `Some(None)`: somebody keeps deleting it.
    #[must_use]
    pub fn by(&self, now: Instant) -> Option<Option<&str>> {
        let last = self.repairs.last()?;
        let goes_on = self.edit.is_some() || now.saturating_duration_since(*last) < WINDOW;
        let edit = self.edit.as_ref().or(self.repaired.as_ref())?;
        (self.excess > 0 && goes_on).then_some(edit.manager.as_deref())
    }

    fn is_burst(&self, now: Instant) -> bool {
        self.repairs.len() == AT_ONCE
            && self.repairs.first().is_some_and(|first| now.saturating_duration_since(*first) < WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(version: u32) -> Edit {
        Edit { manager: Some("reloader".to_owned()), version: Some(version.to_string()) }
    }

    /// Edits the child as soon as it is repaired, for so long. Returns when each repair was made, in seconds.
    fn fight(dispute: &mut Dispute, start: Instant, lasts: Duration) -> Vec<u64> {
        let (mut repairs, mut now) = (Vec::new(), start);
        while now < start + lasts {
            let edit = edit(u32::try_from(repairs.len()).unwrap_or_default());
            if let Some(wait) = dispute.edited(&edit, now) {
                now += wait;
            } else {
                dispute.repaired(edit, now);
                repairs.push(now.duration_since(start).as_secs());
            }
        }
        repairs
    }

    #[test]
    fn three_repairs_come_at_once_and_the_next_ever_more_slowly() {
        let mut dispute = Dispute::default();
        let repairs = fight(&mut dispute, Instant::now(), Duration::from_hours(1));
        assert_eq!(repairs, [0, 0, 0, 30, 90, 210, 450, 930, 1530, 2130, 2730, 3330]);
    }

    #[test]
    fn a_dispute_is_told_from_the_fourth_edit_until_the_child_stayed_as_it_was_left_for_ten_minutes() {
        let (mut dispute, now) = (Dispute::default(), Instant::now());
        for version in 0..3 {
            assert_eq!(dispute.edited(&edit(version), now), None);
            dispute.repaired(edit(version), now);
            assert_eq!(dispute.by(now), None);
        }
        assert_eq!(dispute.edited(&edit(3), now), Some(FIRST_WAIT));
        assert_eq!(dispute.by(now), Some(Some("reloader")));
        let repaired = now + FIRST_WAIT;
        assert_eq!(dispute.edited(&edit(3), repaired), None);
        dispute.repaired(edit(3), repaired);
        dispute.is_well();
        assert_eq!(dispute.by(repaired + WINDOW / 2), Some(Some("reloader")));
        assert_eq!(dispute.by(repaired + WINDOW), None);
        assert_eq!(dispute.edited(&edit(4), repaired + WINDOW), None);
        assert_eq!(dispute.by(repaired + WINDOW), None);
    }

    #[test]
    fn a_cache_that_still_shows_an_edit_that_was_undone_shows_no_further_edit() {
        let (mut dispute, now) = (Dispute::default(), Instant::now());
        for version in 0..3 {
            dispute.repaired(edit(version), now);
        }
        assert_eq!(dispute.edited(&edit(2), now), None);
        assert_eq!(dispute.by(now), None);
    }

    #[test]
    fn edits_now_and_then_are_no_dispute() {
        let (mut dispute, mut now) = (Dispute::default(), Instant::now());
        for version in 0..10 {
            assert_eq!(dispute.edited(&edit(version), now), None);
            dispute.repaired(edit(version), now);
            now += WINDOW / 2;
        }
        assert_eq!(dispute.by(now), None);
    }
}
