//! Real small stores beside topics that are lists: what is found of every way in which the two can differ.

mod corrections;
mod equal_keys;
mod first;
mod topics;
