//! Topic names: `storewarden/v1/{chain}/{store}/…`.

use crate::v1::Stream;

/// The topics of one store.
#[derive(Clone, Debug)]
pub struct StoreTopics {
    prefix: String,
}

impl StoreTopics {
    /// Topics of store `store` of chain `chain`; both must satisfy [`is_valid_id`].
    pub fn new(chain: &str, store: &str) -> Self {
        Self { prefix: format!("storewarden/v1/{chain}/{store}") }
    }
    /// Retained: online or offline, and the Last Will.
    pub fn status(&self) -> String {
        format!("{}/status", self.prefix)
    }
    /// Where messages of `stream` go.
    pub fn stream(&self, stream: Stream) -> String {
        let name = match stream {
            Stream::Alert | Stream::Unspecified => "alert",
            Stream::PriceResult => "price/result",
            Stream::CommandResult => "command/result",
            Stream::Telemetry => "telemetry",
        };
        format!("{}/{name}", self.prefix)
    }
    /// Retained: what headquarters has committed.
    pub fn ack(&self) -> String {
        format!("{}/ack", self.prefix)
    }
    /// Signed price batches.
    pub fn price(&self) -> String {
        format!("{}/price", self.prefix)
    }
    /// Signed commands.
    pub fn command(&self) -> String {
        format!("{}/command", self.prefix)
    }
}

/// What headquarters subscribes to for all stores of `chain`. Of several workers (`is_shared`) each message of
/// a stream goes to one, by an MQTT 5 shared subscription; the status goes to all: what is retained a broker
/// gives to no shared subscription.
pub fn headquarters_filters(chain: &str, is_shared: bool) -> Vec<String> {
    let share = if is_shared { "$share/storewarden-hq/" } else { "" };
    let streams = ["alert", "telemetry", "price/result", "command/result"];
    let streams = streams.map(|name| format!("{share}storewarden/v1/{chain}/+/{name}"));
    [format!("storewarden/v1/{chain}/+/status")].into_iter().chain(streams).collect()
}

/// Chain and store of a topic, if it is one of ours.
pub fn chain_and_store(topic: &str) -> Option<(&str, &str)> {
    let mut parts = topic.strip_prefix("storewarden/v1/")?.splitn(3, '/');
    Some((parts.next()?, parts.next()?)).filter(|_| parts.next().is_some())
}

/// Ids of chains and stores appear in topics: 1 to 64 of `a-z`, `A-Z`, `0-9`, `-`, `_`, `.`.
pub fn is_valid_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_its_store() {
        let topics = StoreTopics::new("kaixin", "0042");
        assert_eq!(topics.stream(Stream::PriceResult), "storewarden/v1/kaixin/0042/price/result");
        assert_eq!(chain_and_store(&topics.stream(Stream::PriceResult)), Some(("kaixin", "0042")));
        assert_eq!(chain_and_store("storewarden/v1/kaixin/0042"), None);
        assert_eq!(chain_and_store("elsewhere/v1/kaixin/0042/alert"), None);
    }

    #[test]
    fn ids_cannot_reach_into_other_topics() {
        assert!(is_valid_id("shop-7.b_2"));
        for bad in ["", "a/b", "+", "#", "店", &"x".repeat(65)] {
            assert!(!is_valid_id(bad), "{bad}");
        }
    }
}
