//! Answers of back ends, as they come.

use super::*;

fn bucket() -> Place {
    Place::Bucket {
        bucket: "b".to_owned(),
        prefix: super::super::Path::root(),
        endpoint: "http://localhost:1".to_owned(),
    }
}

fn failed(operation: &'static str, text: &str) -> StoreError {
    let place = bucket();
    let call = Call {
        operation,
        location: "s3://b/x".to_owned(),
        place: &place,
        elapsed: Duration::from_secs(3),
    };
    call.failed(Error::Generic {
        store: "S3",
        source: text.into(),
    })
}

#[test]
fn an_answer_of_the_server_is_read_from_its_status_and_code() {
    let status = |status: &str, code: &str| {
        format!(
            "Error performing GET - Server returned non-2xx status code: {status}: <Code>{code}</Code>"
        )
    };
    let cases: [(&str, &str, String, &str); 15] = [
        (
            "a certificate",
            LIST,
            "client error (Connect) <- invalid peer certificate: Expired <- x".to_owned(),
            "the certificate of http://localhost:1 is not accepted: Expired; if",
        ),
        (
            "TLS where none is expected",
            LIST,
            "client error (Connect) <- received corrupt message of type InvalidContentType"
                .to_owned(),
            "write it with http://",
        ),
        (
            "no TLS where it is expected",
            LIST,
            "Server returned non-2xx status code: 400 Bad Request: Client sent an HTTP request to an HTTPS server."
                .to_owned(),
            "write it with https://",
        ),
        (
            "denied",
            LIST,
            status("403 Forbidden", "InvalidAccessKeyId"),
            "denied (InvalidAccessKeyId); check AWS_ACCESS_KEY_ID",
        ),
        (
            "no bucket",
            LIST,
            status("404 Not Found", "NoSuchBucket"),
            "bucket 'b' does not exist at http://localhost:1",
        ),
        (
            "no bucket on reading",
            GET,
            status("404 Not Found", "NoSuchBucket"),
            "bucket 'b' does not exist",
        ),
        (
            "unknown key of versitygw",
            GET,
            status("404 Not Found", "XAdminUserNotFound"),
            "denied (XAdminUserNotFound)",
        ),
        (
            "another 404",
            GET,
            status("404 Not Found", "Surprise"),
            "reading s3://b/x failed",
        ),
        (
            "no object",
            GET,
            status("404 Not Found", "NoSuchKey"),
            "s3://b/x does not exist",
        ),
        (
            "overload",
            PUT,
            status("503 Service Unavailable", "SlowDown"),
            "not available at the moment",
        ),
        (
            "region",
            PUT,
            status("301 Moved Permanently", "PermanentRedirect"),
            "set AWS_REGION",
        ),
        (
            "region in the signature",
            LIST,
            status("400 Bad Request", "AuthorizationHeaderMalformed"),
            "set AWS_REGION",
        ),
        (
            "error in a success",
            RENAME,
            "Server returned error response: <Code>InternalError</Code>".to_owned(),
            "not available",
        ),
        (
            "no credentials",
            LIST,
            format!("PUT http://{METADATA_SERVICE}/latest: timed out"),
            "set AWS_ACCESS_KEY_ID",
        ),
        (
            "anything else",
            PUT,
            status("418 I'm a teapot", "Teapot"),
            "writing s3://b/x failed",
        ),
    ];
    for (name, operation, text, said) in cases {
        let error = failed(operation, &text).to_string();
        assert!(error.contains(said), "{name}: {error}");
    }
}

#[test]
fn only_an_error_that_may_have_followed_the_deed_is_ambiguous() {
    let answer = |status: &str| {
        failed(
            CREATE,
            &format!("Server returned non-2xx status code: {status}: "),
        )
    };
    assert!(answer("500 Internal Server Error").is_ambiguous());
    assert!(answer("418 I'm a teapot").is_ambiguous());
    assert!(!answer("403 Forbidden").is_ambiguous());
    assert!(!answer("404 Not Found").is_ambiguous());
    let place = bucket();
    let http = |kind| {
        let call = Call {
            operation: CREATE,
            location: String::new(),
            place: &place,
            elapsed: Duration::ZERO,
        };
        call.failed(Error::Generic {
            store: "S3",
            source: Box::new(HttpError::new(kind, io::Error::other("x"))),
        })
    };
    assert!(!http(HttpErrorKind::Connect).is_ambiguous());
    for kind in [
        HttpErrorKind::Request,
        HttpErrorKind::Interrupted,
        HttpErrorKind::Timeout,
        HttpErrorKind::Unknown,
    ] {
        assert!(
            http(kind).is_ambiguous() && http(kind).is_retryable(),
            "{kind:?}"
        );
    }
}
