//! From a record and the rules to changes of state.
