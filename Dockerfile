# syntax=docker/dockerfile:1
# The compiler that pgo/ was made by: another one builds a program that takes half as much time again.
FROM rust:1.95-bookworm AS build
WORKDIR /build

# Dependencies alone first, with empty sources: this layer holds until a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY scripts/rustc.sh scripts/
COPY pgo pgo
COPY vendor vendor
COPY benches benches
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
 && cargo build --release --locked --bin gateway

COPY . .
# Newer than what was built from the empty sources.
RUN touch src/main.rs src/lib.rs \
 && cargo build --release --locked --bin gateway

# The image holds the program, the libraries that it links, certificates and a user: no shell, no
# package manager, nothing else.
RUN mkdir -p /image/data /image/etc/ssl/certs /image/tmp \
 && cp target/release/gateway /image/gateway \
 && ldd target/release/gateway | grep -o '/[^ ]*' | xargs -I{} cp -L --parents {} /image \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && echo 'nonroot:x:65532:65532:nonroot:/data:/' > /image/etc/passwd \
 && echo 'hosts: files dns' > /image/etc/nsswitch.conf \
 && chown -R 65532:65532 /image/data && chmod 1777 /image/tmp

FROM scratch
COPY --from=build /image /
# Any bind but loopback needs a client key: set GATEWAY_API_KEY, or keys in the configuration.
ENV GATEWAY_BIND=0.0.0.0 \
    GATEWAY_DATA_DIR=/data \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
VOLUME /data
EXPOSE 4080 4081
ENTRYPOINT ["/gateway"]
CMD ["start"]
