//! Opening a bucket of S3, or of a server that speaks its protocol.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey as Key},
};

use super::{StoreConfig, StoreError};

/// What connecting may take: longer than a lost SYN and its first retransmissions.
const CONNECT: Duration = Duration::from_secs(5);

/// A limit beyond our own deadlines (see `patience`), for requests that they do not see.
const REQUEST: Duration = Duration::from_secs(600);

/// Where no region is given: what servers other than Amazon's expect, and Amazon's own default.
const REGION: &str = "us-east-1";

const AMAZON: &str = "https://s3.amazonaws.com";

/// The variable that names a file with certificates.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// A bucket's client, and the endpoint to name in messages.
pub(super) fn connect(
    config: &StoreConfig,
    bucket: &str,
) -> Result<(Arc<dyn ObjectStore>, String), StoreError> {
    let mut options = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_timeout(REQUEST);
    for certificate in certificates(config)? {
        options = options.with_root_certificate(certificate);
    }
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
            setting: culprit(config, &error)
                .unwrap_or_else(|| format!("the configuration for {}", config.url)),
            reason: error.to_string(),
        })?;
    let endpoint = endpoint.unwrap_or_else(|| AMAZON.to_owned());
    let through = proxy(config, &endpoint);
    Ok((Arc::new(store), format!("{endpoint}{through}")))
}

/// The variable that by itself leads to this error.
fn culprit(config: &StoreConfig, error: &object_store::Error) -> Option<String> {
    let text = error.to_string();
    let leads_there = |name: &str, value: &str| {
        let builder = AmazonS3Builder::new()
            .with_bucket_name("bucket")
            .with_region(REGION)
            .with_allow_http(true);
        let alone = builder.with_config(key(name)?, value).build().err()?;
        (alone.to_string() == text).then_some(())
    };
    let mut given = config.env.iter().filter(|(_, value)| !value.is_empty());
    let found = given.find(|(name, value)| leads_there(name, value).is_some());
    found.map(|(name, _)| name.clone())
}

/// The authorities that `AWS_CA_BUNDLE` names, besides those of the system.
fn certificates(config: &StoreConfig) -> Result<Vec<Certificate>, StoreError> {
    let Some((_, path)) = config.env.iter().find(|(name, _)| name == CA_BUNDLE) else {
        return Ok(Vec::new());
    };
    let unusable = |reason: String| StoreError::InvalidSetting {
        setting: format!("{CA_BUNDLE}={path}"),
        reason,
    };
    let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if found.is_empty() => Err(unusable("it holds no certificate".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// What messages say of the proxy through which requests to `endpoint` go, unless `NO_PROXY` excepts it.
fn proxy(config: &StoreConfig, endpoint: &str) -> String {
    let names = match endpoint.starts_with("http://") {
        true => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        false => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
    };
    let given = |name: &str| {
        config
            .env
            .iter()
            .any(|(given, text)| given == name && !text.is_empty())
    };
    match names.iter().find(|name| given(name)) {
        Some(name) => format!(" (through the proxy that {name} names, unless NO_PROXY excepts it)"),
        None => String::new(),
    }
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
        assert_eq!(endpoint(None, &[]), AMAZON);
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
    fn a_proxy_is_named_with_the_endpoint_that_it_stands_before() {
        let proxies = [
            ("HTTPS_PROXY", "http://proxy:1"),
            ("http_proxy", "http://proxy:2"),
        ];
        assert_eq!(
            endpoint(None, &proxies),
            format!(
                "{AMAZON} (through the proxy that HTTPS_PROXY names, unless NO_PROXY excepts it)"
            )
        );
        let plain = endpoint(Some("http://minio:9000"), &proxies);
        assert!(plain.contains("that http_proxy names"), "{plain}");
        assert_eq!(
            endpoint(Some("http://minio:9000"), &proxies[..1]),
            "http://minio:9000"
        );
    }

    #[test]
    fn a_bundle_of_certificates_is_used_or_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let path = path.to_str().unwrap();
        let with_bundle = || {
            let env = [&KEYS[..], &[(CA_BUNDLE, path)]].concat();
            connect(&config(None, &env), "bucket").map(drop)
        };
        for content in [None, Some(""), Some("no certificate")] {
            if let Some(content) = content {
                std::fs::write(path, content).unwrap();
            }
            let error = with_bundle().unwrap_err().to_string();
            assert!(error.contains(CA_BUNDLE) && error.contains(path), "{error}");
        }
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named() {
        let env = [
            &KEYS[..],
            &[("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "perhaps")],
        ]
        .concat();
        let error = connect(&config(None, &env), "bucket")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("AWS_VIRTUAL_HOSTED_STYLE_REQUEST"),
            "{error}"
        );
        assert!(!error.contains("hush"), "{error}");
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
