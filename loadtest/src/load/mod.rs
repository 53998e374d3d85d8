//! The load suite: loads with a name, what stands under them, and what comes out.
//!
//! - A [`Profile`] is a load ([`Order`]) and its bounds ([`Expect`]); [`run_profile`] runs one and gives a [`Tally`].
//! - A [`Subject`] is a program under test at a [`Place`]; it has a core for itself.
//! - A [`Trial`] is a run of the generator in a process of its own; what it counted is its
//!   [`Report`](crate::generator::Report).
//! - `experiment` holds the measurements of the report, `report` writes it.
//!
//! **Invariants.** Figures come from the kernel's accounting and from the generator, never from the subject. Every
//! process ends with this one, whichever way that ends.

mod accounting;
mod bench;
pub mod experiment;
mod failure;
mod figures;
mod machine;
mod order;
mod place;
mod profile;
mod report;
mod run;
mod sipp_engine;
mod statistics;
mod subject;
mod tally;
mod trial;
mod variant;

pub use bench::{Bench, Scale};
pub use failure::Failure;
pub use figures::{Figures, PARTS};
pub use machine::Machine;
pub use order::Order;
pub use place::Place;
pub use profile::{Engine, Expect, Profile};
pub use report::render;
pub use run::run_profile;
pub use statistics::{Rounds, percentile, slope};
pub use subject::{Running, Subject};
pub use tally::{Tally, Verdict};
pub use trial::Trial;
