# `just --list` shows what there is. Each recipe is a command or two that can be typed as well.

# Build the executables for use
build:
    cargo build --release --workspace

# Everything that is tested
test *ARGS:
    cargo test --workspace {{ARGS}}

# Formatting, lints, Lua style
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    npx --yes @johnnymorganz/stylua-bin@2.5.2 --check examples packaging policy-extras

# The benchmarks and their table
bench *ARGS:
    cargo bench {{ARGS}}

# All that CI checks
ci:
    .ci/run

# Lay everything out under the documented paths: `just install DESTDIR=/tmp/image`, or `just install` for this machine
install *ARGS: build
    #!/usr/bin/env bash
    set -euo pipefail
    dest=""
    for arg in {{ARGS}}; do
      case "$arg" in
        DESTDIR=*) dest="${arg#DESTDIR=}" ;;
        *) echo "install: unknown argument \`$arg\`; expected DESTDIR=FOLDER" >&2; exit 2 ;;
      esac
    done
    packaging/install target/release "$dest"

# Build target/kumo-tsa_VERSION_ARCH.deb
deb: build
    packaging/deb target/release target

# What systemd thinks of the units, in a tree of its own
verify-units: build
    #!/usr/bin/env bash
    set -euo pipefail
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    packaging/install target/release "$tree"
    packaging/verify-units "$tree"
