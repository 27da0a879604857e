//! Something signed that is to be sent to a store now.

/// Price batches and commands are queued, each by its own rules, and sent alike.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) store: String,
    pub(crate) payload: Vec<u8>,
}
