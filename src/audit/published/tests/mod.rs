//! Real small stores beside topics that are lists: what is found of every way in which the two can differ.

mod corrections;
mod first;
mod topics;
