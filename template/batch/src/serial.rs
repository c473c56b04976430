//! One piece after the other, on the thread that calls it.

use crate::{Error, Part, Piece, Rules, Total};

/// Sums up all pieces.
///
/// # Errors
/// The first one, in the order of the input.
pub fn total<P>(pieces: P, rules: &Rules) -> Result<Total, Error>
where
    P: Iterator<Item = Result<Piece, Error>>,
{
    let mut total = Total::new(rules);
    for piece in pieces {
        let Piece { origin, lines } = piece?;
        total.add(&origin, Part::of(&lines, rules))?;
    }
    Ok(total)
}
