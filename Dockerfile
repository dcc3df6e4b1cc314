FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ make pkg-config libssl-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin snapback

FROM debian:12.13-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/*
# A folder that the user owns, for whoever keeps the snapshots in a volume: --store /var/lib/snapback/snapshots
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/snapback snapback
COPY --from=build /build/target/release/snapback /usr/local/bin/snapback
USER snapback
WORKDIR /var/lib/snapback
# The exec form: snapback is process 1 and gets SIGTERM itself.
ENTRYPOINT ["/usr/local/bin/snapback"]
CMD ["run"]
