//! `tsa schema`: a JSON schema of shaping files, for editors.

use std::io::Write as _;

use kumo_tsa_core::shaping::schema;

const EXAMPLES: &str = "\
Editors with Taplo, such as VS Code with Even Better TOML, complete, explain and check options where the first line of a file
names the schema, by a path from the file's own folder or by a URL:

  #:schema /opt/kumomta/share/policy-extras/shaping.schema.json

Examples:
  # The schema of this version
  tsa schema > shaping.schema.json";

/// What `tsa schema` is asked: nothing.
#[derive(Debug, clap::Args)]
#[command(override_usage = "tsa schema > shaping.schema.json", after_help = EXAMPLES)]
pub(super) struct Arguments {}

/// Prints the schema.
pub(super) fn run(_: &Arguments) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&schema())? + "\n";
    // Who reads may have seen enough, as `head` does.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}
