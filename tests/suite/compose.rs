//! The container files, read by a parser: containers cannot be run everywhere.

use std::collections::BTreeSet;

use yaml_rust2::{Yaml, YamlLoader};

use super::outside::{LIMIT, Pipeline, Place};
use super::support::{Program, Status, eventually, snapback};

const COMPOSE: &str = include_str!("../../docker-compose.yml");
const DOCKERFILE: &str = include_str!("../../Dockerfile");

fn compose() -> Yaml {
    let mut documents = YamlLoader::load_from_str(COMPOSE).expect("valid YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn services(compose: &Yaml) -> Vec<(&str, &Yaml)> {
    let services = compose["services"].as_hash().expect("services");
    services
        .iter()
        .map(|(name, service)| (name.as_str().expect("a name"), service))
        .collect()
}

fn strings(list: &Yaml) -> Vec<&str> {
    list.as_vec()
        .into_iter()
        .flatten()
        .map(|item| item.as_str().expect("a string"))
        .collect()
}

/// A tag that says a version: neither missing nor one that moves from release to release.
fn is_pinned(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').is_some_and(|(_, tag)| {
        tag.split(['.', '-']).count() >= 3 && tag.contains(|c: char| c.is_ascii_digit())
    })
}

#[test]
fn a_moving_tag_does_not_count_as_pinned() {
    for image in [
        "debian",
        "debian:latest",
        "debian:bookworm-slim",
        "rust:1.95",
        "localhost:5000/rust",
    ] {
        assert!(!is_pinned(image), "{image}");
    }
    for image in ["apache/kafka:4.3.1", "localhost:5000/rust:1.95.0-slim"] {
        assert!(is_pinned(image), "{image}");
    }
}

#[test]
fn the_services_are_kafka_a_store_with_its_bucket_and_snapback() {
    let compose = compose();
    let names: BTreeSet<&str> = services(&compose).iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        BTreeSet::from(["bucket", "kafka", "minio", "snapback"])
    );
}

#[test]
fn every_image_is_pinned() {
    for (name, service) in services(&compose()) {
        let image = service["image"].as_str().expect("an image");
        assert!(is_pinned(image), "{name}: {image}");
    }
    for from in DOCKERFILE
        .lines()
        .filter_map(|line| line.strip_prefix("FROM "))
    {
        let image = from.split_whitespace().next().expect("an image");
        assert!(is_pinned(image), "{image}");
    }
}

#[test]
fn every_server_has_a_health_check_and_is_waited_for() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let ends_by_itself = name == "bucket";
        assert_eq!(
            service["healthcheck"]["test"].as_vec().is_none(),
            ends_by_itself,
            "{name}"
        );
        for (needed, how) in service["depends_on"].as_hash().into_iter().flatten() {
            let needed = needed.as_str().expect("a name");
            let condition = if needed == "bucket" {
                "service_completed_successfully"
            } else {
                "service_healthy"
            };
            assert_eq!(
                how["condition"].as_str(),
                Some(condition),
                "{name} on {needed}"
            );
            assert!(
                !compose["services"][needed].is_badvalue(),
                "{name} on {needed}"
            );
        }
    }
    let needed_by = |name: &str| {
        compose["services"][name]["depends_on"]
            .as_hash()
            .expect(name)
            .len()
    };
    assert_eq!((needed_by("snapback"), needed_by("bucket")), (2, 1));
}

#[test]
fn data_is_in_named_volumes() {
    let compose = compose();
    let declared: BTreeSet<&str> = compose["volumes"]
        .as_hash()
        .expect("volumes")
        .keys()
        .map(|name| name.as_str().expect("a name"))
        .collect();
    let used: BTreeSet<&str> = services(&compose)
        .iter()
        .flat_map(|(_, service)| strings(&service["volumes"]))
        .map(|volume| volume.split(':').next().expect("a volume's name"))
        .collect();
    assert_eq!(declared, BTreeSet::from(["kafka", "minio"]));
    assert_eq!(used, declared);
}

#[test]
fn kafka_advertises_one_listener_to_the_host_and_one_to_the_containers() {
    let compose = compose();
    let kafka = &compose["services"]["kafka"];
    let setting = |name: &str| kafka["environment"][name].as_str().expect(name).to_owned();
    let advertised = setting("KAFKA_ADVERTISED_LISTENERS");
    let advertised: Vec<(&str, &str)> = advertised
        .split(',')
        .map(|one| one.split_once("://").expect("name://address"))
        .collect();
    assert_eq!(
        advertised,
        [("HOST", "localhost:9092"), ("CONTAINERS", "kafka:19092")]
    );
    let (listeners, protocols) = (
        setting("KAFKA_LISTENERS"),
        setting("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"),
    );
    for (name, address) in advertised {
        let port = address.rsplit(':').next().expect("a port");
        assert!(
            listeners
                .split(',')
                .any(|one| one == format!("{name}://:{port}")),
            "{listeners}"
        );
        assert!(
            protocols
                .split(',')
                .any(|one| one == format!("{name}:PLAINTEXT")),
            "{protocols}"
        );
    }
    assert_eq!(strings(&kafka["ports"]), ["127.0.0.1:9092:9092"]);
    let snapback = &compose["services"]["snapback"]["environment"];
    assert_eq!(snapback["SNAPBACK_BROKERS"].as_str(), Some("kafka:19092"));
}

#[test]
fn snapback_has_the_stores_credentials_and_the_bucket_that_is_made() {
    let compose = compose();
    let services = &compose["services"];
    let snapback = &services["snapback"]["environment"];
    let minio = &services["minio"]["environment"];
    let (user, password) = (&minio["MINIO_ROOT_USER"], &minio["MINIO_ROOT_PASSWORD"]);
    assert!(user.as_str().is_some() && password.as_str().is_some());
    assert_eq!(
        (
            &snapback["AWS_ACCESS_KEY_ID"],
            &snapback["AWS_SECRET_ACCESS_KEY"]
        ),
        (user, password)
    );

    let store = snapback["SNAPBACK_STORE"]
        .as_str()
        .and_then(|store| store.strip_prefix("s3://"));
    let bucket = store
        .and_then(|store| store.split('/').next())
        .expect("a bucket");
    let made = strings(&services["bucket"]["entrypoint"]);
    assert_eq!(made.last(), Some(&format!("store/{bucket}").as_str()));
    let host = services["bucket"]["environment"]["MC_HOST_store"].as_str();
    let (user, password) = (user.as_str().unwrap_or(""), password.as_str().unwrap_or(""));
    assert_eq!(
        host,
        Some(format!("http://{user}:{password}@minio:9000").as_str())
    );
}

#[test]
fn snapback_keeps_its_name_and_has_time_to_finish() {
    let compose = compose();
    let snapback = &compose["services"]["snapback"];
    assert_eq!(snapback["hostname"].as_str(), Some("snapback"));
    assert_eq!(snapback["stop_grace_period"].as_str(), Some("30s"));
    assert_eq!(strings(&snapback["command"]), ["run"]);
}

#[test]
fn every_setting_of_snapbacks_container_is_one() {
    let compose = compose();
    let environment = compose["services"]["snapback"]["environment"]
        .as_hash()
        .expect("an environment");
    let variables: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().expect("a name"),
                value.as_str().expect("text"),
            )
        })
        .collect();
    let shown = snapback(["config", "-o", "json"])
        .envs(variables.iter().copied())
        .run()
        .expect_code(0)
        .stdout;
    let settings: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let settings = settings.as_array().expect("a list");
    for (name, value) in variables {
        let Some(setting) = name.strip_prefix("SNAPBACK_") else {
            continue;
        };
        let setting = setting.to_lowercase().replace('_', "-");
        let found = settings
            .iter()
            .find(|one| one["setting"] == setting.as_str());
        assert_eq!(
            found.map(|one| &one["value"]),
            Some(&value.into()),
            "{name}"
        );
    }
}

#[test]
fn snapbacks_health_is_asked_where_its_status_is_served() {
    let compose = compose();
    let snapback = &compose["services"]["snapback"];
    assert_eq!(strings(&snapback["ports"]), ["127.0.0.1:9464:9464"]);
    let served = &snapback["environment"]["SNAPBACK_STATUS"];
    assert_eq!(served.as_str(), Some("0.0.0.0:9464"));

    // The command itself, at the address of a process that runs here.
    let check = strings(&snapback["healthcheck"]["test"]);
    let [_, shell, flag, script] = check.as_slice() else {
        panic!("{check:?}");
    };
    let pipeline = Pipeline::new(1, Place::folder());
    let mut running = pipeline.run().args(Status::ANYWHERE).spawn();
    let status = Status::of(&running);
    let port = status.port();
    let check = |path: &str| {
        let script = script.replace("9464", &port).replace("/healthz", path);
        let code = Program::new(shell).args([flag, script.as_str()]).run().code;
        code == Some(0)
    };
    assert!(check("/healthz"));
    assert!(!check("/nothing"));
    // A process that is told to stop while it starts ends as interrupted.
    eventually(LIMIT, "a process that is ready", || {
        check("/readyz").then_some(())
    });
    running.signal(libc::SIGTERM);
    running.wait(LIMIT).expect_code(0);
    assert!(!check("/healthz"));
}

#[test]
fn the_image_runs_snapback_itself_and_not_as_root() {
    let last_stage = DOCKERFILE.rsplit("\nFROM ").next().expect("a stage");
    let instructions: Vec<(&str, &str)> = last_stage
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let last = |name: &str| {
        instructions
            .iter()
            .rev()
            .find(|(found, _)| *found == name)
            .map(|(_, rest)| *rest)
    };
    assert_eq!(last("USER"), Some("snapback"));
    // In the exec form process 1 is snapback, which gets the signals; in the other it is a shell, which eats them.
    assert_eq!(last("ENTRYPOINT"), Some(r#"["/usr/local/bin/snapback"]"#));
    assert!(
        DOCKERFILE.matches("\nFROM ").count() == 1,
        "a stage that builds and one that runs"
    );
}
