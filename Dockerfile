# syntax=docker/dockerfile:1
FROM rust:1-bookworm AS build
WORKDIR /build

# Dependencies alone first, with empty sources: this layer holds until a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY vendor vendor
COPY benches/compare/Cargo.toml benches/compare/
RUN mkdir -p src benches/compare/src/load \
 && echo 'fn main() {}' | tee src/main.rs benches/parse.rs benches/compare/src/bare.rs \
      benches/compare/src/upstream.rs > benches/compare/src/load/main.rs \
 && touch src/lib.rs \
 && cargo build --release --locked --bin gateway

COPY . .
# Newer than what was built from the empty sources.
RUN touch src/main.rs src/lib.rs \
 && cargo build --release --locked --bin gateway \
 && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/gateway /gateway
COPY --from=build --chown=nonroot:nonroot /data /data
# Any bind but loopback needs a client key: set GATEWAY_API_KEY, or keys in the configuration.
ENV GATEWAY_BIND=0.0.0.0 \
    GATEWAY_DATA_DIR=/data
VOLUME /data
EXPOSE 4080 4081
ENTRYPOINT ["/gateway"]
CMD ["start"]
