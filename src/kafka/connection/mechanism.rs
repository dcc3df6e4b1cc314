//! Which ways of saying who we are this build has.

use super::{Connection, KafkaError};

impl Connection {
    /// Whether brokers can be asked for access in the way that the properties want: a mechanism that this build lacks is
    /// found here, not by the broker's silence.
    ///
    /// # Errors
    /// [`KafkaError::Mechanism`], with what to do instead.
    pub fn check_mechanism(&self) -> Result<(), KafkaError> {
        let protocol = self.property("security.protocol").unwrap_or_default();
        if !protocol.to_ascii_lowercase().starts_with("sasl") {
            return Ok(());
        }
        let mechanism = ["sasl.mechanisms", "sasl.mechanism"]
            .iter()
            .find_map(|name| self.property(name));
        let unsecured = self.property("enable.sasl.oauthbearer.unsecure.jwt");
        let (mechanism, instead) = match mechanism {
            Some("PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512") => return Ok(()),
            Some("OAUTHBEARER") if unsecured == Some("true") => return Ok(()),
            Some("OAUTHBEARER") => (
                "OAUTHBEARER",
                "this build has nothing that fetches its tokens; use a SCRAM mechanism, PLAIN over TLS, or certificates (security.protocol=SSL)",
            ),
            Some("GSSAPI") => (
                "GSSAPI",
                "this build has no Kerberos; use a SCRAM mechanism, PLAIN over TLS, or certificates (security.protocol=SSL)",
            ),
            None => (
                "unset",
                "librdkafka would take GSSAPI (Kerberos), which this build does not have; set it to SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN",
            ),
            Some(other) => (
                other,
                "it is one of SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN, in capitals",
            ),
        };
        Err(KafkaError::Mechanism {
            mechanism: mechanism.to_owned(),
            instead,
        })
    }
}
