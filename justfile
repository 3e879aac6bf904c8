# Lists the recipes.
default:
    @just --list

# Everything that has to hold before a change lands.
ci:
    bash .ci/run

# Formats and lints.
lint:
    cargo fmt --all
    cargo clippy --release --all-targets -- -D warnings

# Asks a question.
ask query:
    cargo run --release -- ask "{{query}}"
