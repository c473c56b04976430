//! Preconditions: "only if nobody was faster than me".

use crate::Revision;

/// What must hold for an operation to happen. The default always holds.
///
/// These are HTTP's `If-Match` and `If-None-Match` ([RFC 9110 §13.1]); Redis' `XX` and `NX` are
/// the two with [`Revisions::Any`].
///
/// [RFC 9110 §13.1]: https://www.rfc-editor.org/rfc/rfc9110#section-13.1
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// The key must be there, at one of these revisions.
    pub if_match: Option<Revisions>,
    /// The key must not be there at one of these revisions.
    pub if_none_match: Option<Revisions>,
}

/// A set of revisions of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revisions {
    /// Whatever revision the key has, as long as it is there.
    Any,
    /// One of these.
    OneOf(Vec<Revision>),
}

/// Which half of a [`Condition`] did not hold. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// [`Condition::if_match`]: the key is not there, or at another revision.
    #[error("the key is not at the revision that was asked for")]
    IfMatch,
    /// [`Condition::if_none_match`]: the key is there.
    #[error("the key is already there")]
    IfNoneMatch,
}

impl Condition {
    /// Holds this condition against a key's present revision, `None` for a key that is not there.
    ///
    /// # Errors
    /// The half that does not hold, [`Mismatch::IfMatch`] first.
    pub fn check(&self, current: Option<Revision>) -> Result<(), Mismatch> {
        let holds = |set: &Revisions| current.is_some_and(|revision| set.contains(revision));
        if self.if_match.as_ref().is_some_and(|set| !holds(set)) {
            return Err(Mismatch::IfMatch);
        }
        if self.if_none_match.as_ref().is_some_and(holds) {
            return Err(Mismatch::IfNoneMatch);
        }
        Ok(())
    }
}

impl Revisions {
    fn contains(&self, revision: Revision) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(revisions) => revisions.contains(&revision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_as_in_rfc_9110() {
        let any = || Some(Revisions::Any);
        let seven = || Some(Revisions::OneOf(vec![3, 7]));
        let cases = [
            (None, None, None, Ok(())),
            (None, None, Some(7), Ok(())),
            (any(), None, None, Err(Mismatch::IfMatch)),
            (any(), None, Some(1), Ok(())),
            (seven(), None, Some(7), Ok(())),
            (seven(), None, Some(8), Err(Mismatch::IfMatch)),
            (seven(), None, None, Err(Mismatch::IfMatch)),
            (None, any(), None, Ok(())),
            (None, any(), Some(1), Err(Mismatch::IfNoneMatch)),
            (None, seven(), Some(8), Ok(())),
            (None, seven(), Some(3), Err(Mismatch::IfNoneMatch)),
            (seven(), any(), Some(8), Err(Mismatch::IfMatch)),
        ];
        for (if_match, if_none_match, current, expected) in cases {
            let condition = Condition { if_match, if_none_match };
            assert_eq!(condition.check(current), expected, "{condition:?} at {current:?}");
        }
    }
}
