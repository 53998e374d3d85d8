//! Which hooks a filter has.

use std::ops::BitOr;

/// A set of the hooks of [`crate::Filter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hooks(u8);

impl Hooks {
    /// None.
    pub const NONE: Self = Self(0);
    /// `on_request`.
    pub const REQUEST: Self = Self(1);
    /// `on_branch`.
    pub const BRANCH: Self = Self(1 << 1);
    /// `on_response`.
    pub const RESPONSE: Self = Self(1 << 2);
    /// `on_done`.
    pub const DONE: Self = Self(1 << 3);
    /// All four.
    pub const ALL: Self = Self(0b1111);

    /// Whether all of `hooks` are in the set.
    #[inline]
    pub const fn contains(self, hooks: Self) -> bool {
        self.0 & hooks.0 == hooks.0
    }
}

impl BitOr for Hooks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
