//! Opening a bucket of S3, or of a server that speaks its protocol.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey as Key},
};

use super::{StoreConfig, StoreError};

/// What connecting may take: longer than a lost SYN and its first retransmissions.
const CONNECT: Duration = Duration::from_secs(5);

/// A limit beyond our own deadlines (see `patience`), for requests that they do not see.
const REQUEST: Duration = Duration::from_secs(600);

/// Where no region is given: what servers other than Amazon's expect, and Amazon's own default.
const REGION: &str = "us-east-1";

/// A bucket's client, and the endpoint to name in messages.
pub(super) fn connect(
    config: &StoreConfig,
    bucket: &str,
) -> Result<(Arc<dyn ObjectStore>, String), StoreError> {
    let options = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_timeout(REQUEST);
    // One request per call: retries are ours, so that there is one bound, and so that a conditional
    // put is never repeated without our knowing (a repeated one can be refused because of itself).
    let retry = RetryConfig {
        max_retries: 0,
        retry_timeout: CONNECT,
        backoff: BackoffConfig::default(),
    };
    let mut builder = AmazonS3Builder::new()
        .with_client_options(options)
        .with_retry(retry);
    let mut given = Given::default();
    for (name, value) in &config.env {
        let Some(key) = key(name).filter(|_| !value.is_empty()) else {
            continue;
        };
        // What the command line says goes before any variable.
        if config.s3_endpoint.is_some() && matches!(key, Key::Endpoint | Key::S3Endpoint) {
            continue;
        }
        given.note(&key);
        builder = builder.with_config(key, value);
    }
    if let Some(endpoint) = &config.s3_endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if !given.region {
        builder = builder.with_region(REGION);
    }
    let endpoint = [Key::S3Endpoint, Key::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    if let Some(endpoint) = &endpoint {
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            return Err(StoreError::InvalidSetting {
                setting: format!("the S3 endpoint '{endpoint}'"),
                reason: "write it with its protocol, like http://localhost:9000".to_owned(),
            });
        }
        if endpoint.starts_with("http://") {
            builder = builder.with_allow_http(true);
        }
        if !given.credentials {
            // Amazon's machines have a service for credentials, which would be asked for seconds.
            return Err(StoreError::NoCredentials {
                location: config.url.to_string(),
            });
        }
    }
    let store = builder
        // A plain DELETE is what every server has.
        .with_disable_bulk_delete(true)
        .with_bucket_name(bucket)
        .build()
        .map_err(|error| StoreError::InvalidSetting {
            setting: format!("the configuration for {}", config.url),
            reason: error.to_string(),
        })?;
    Ok((
        Arc::new(store),
        endpoint.unwrap_or_else(|| "https://s3.amazonaws.com".to_owned()),
    ))
}

/// The setting that a variable stands for; `None` for variables that are not ours to take.
fn key(name: &str) -> Option<Key> {
    let key = name.strip_prefix("AWS_")?;
    match format!("aws_{}", key.to_ascii_lowercase()).parse().ok()? {
        // The bucket is part of the store's address; conditional writes and deletes are chosen here.
        Key::Bucket | Key::ConditionalPut | Key::DisableBulkDelete => None,
        key => Some(key),
    }
}

/// What the variables contained.
#[derive(Default)]
struct Given {
    region: bool,
    credentials: bool,
}

impl Given {
    fn note(&mut self, key: &Key) {
        match key {
            Key::Region | Key::DefaultRegion => self.region = true,
            Key::AccessKeyId
            | Key::WebIdentityTokenFile
            | Key::ContainerCredentialsRelativeUri
            | Key::ContainerCredentialsFullUri
            | Key::MetadataEndpoint
            | Key::SkipSignature => self.credentials = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(endpoint: Option<&str>, env: &[(&str, &str)]) -> StoreConfig {
        StoreConfig {
            url: "s3://bucket/prefix".parse().unwrap(),
            s3_endpoint: endpoint.map(str::to_owned),
            env: env
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    const KEYS: [(&str, &str); 2] = [
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
    ];

    fn endpoint(flag: Option<&str>, env: &[(&str, &str)]) -> String {
        let env: Vec<_> = KEYS.iter().chain(env).copied().collect();
        connect(&config(flag, &env), "bucket").unwrap().1
    }

    #[test]
    fn the_flag_goes_before_the_variables_and_s3s_own_before_the_general_one() {
        let general = ("AWS_ENDPOINT_URL", "http://general");
        let own = ("AWS_ENDPOINT_URL_S3", "http://own");
        assert_eq!(endpoint(None, &[]), "https://s3.amazonaws.com");
        assert_eq!(endpoint(None, &[general]), "http://general");
        assert_eq!(endpoint(None, &[general, own]), "http://own");
        assert_eq!(endpoint(None, &[own, general]), "http://own");
        assert_eq!(
            endpoint(Some("http://flag"), &[general, own]),
            "http://flag"
        );
        assert_eq!(
            endpoint(None, &[general, ("AWS_ENDPOINT_URL_S3", "")]),
            "http://general"
        );
    }

    #[test]
    fn variables_that_are_not_ours_are_ignored() {
        let env = [
            ("AWS_PROFILE", "x"),
            ("AWS_BUCKET", "other"),
            ("AWS_CONDITIONAL_PUT", "disabled"),
            ("PATH", "/bin"),
            ("REGION", "x"),
        ];
        endpoint(None, &env);
        assert!(env.iter().all(|(name, _)| key(name).is_none()));
        assert_eq!(key("AWS_SESSION_TOKEN"), Some(Key::Token));
    }

    #[test]
    fn an_endpoint_without_a_protocol_is_refused() {
        let error = connect(&config(Some("localhost:9000"), &KEYS), "bucket").unwrap_err();
        assert!(
            error.to_string().contains("like http://localhost:9000"),
            "{error}"
        );
    }

    #[test]
    fn an_endpoint_without_credentials_is_refused_at_once() {
        let error = connect(&config(Some("http://localhost:9000"), &[]), "bucket").unwrap_err();
        assert!(matches!(error, StoreError::NoCredentials { .. }), "{error}");
    }
}
