//! Delivery into maildirs (interface C.16).

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kumo_tsa_core::wire::QueueName;
use minijinja::{Environment, Value, context};

use crate::host::Host;
use crate::host::http::hostname;
use crate::mail::address::Address;
use crate::mail::message::Message;
use crate::mail::reply::Reply;

/// Where and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maildir<'a> {
    /// The folder, a template.
    pub(super) path: &'a Path,
    pub(super) dir_mode: Option<u32>,
    pub(super) file_mode: Option<u32>,
}

impl Maildir<'_> {
    /// Writes a message for one recipient; the answer says whether that went well.
    pub(super) async fn write(&self, host: &Host, message: &Message, to: &Address) -> Reply {
        match self.try_write(host, message, to).await {
            Ok(id) => plain(200, format!("{to}: wrote to maildir with id={id}")),
            Err(why) => plain(400, format!("KumoMTA internal: failed to write to maildir for {to}: {why}")),
        }
    }

    async fn try_write(&self, host: &Host, message: &Message, to: &Address) -> Result<String, String> {
        let path = expand(&self.path.display().to_string(), message, to)?;
        let folder = host.paths().resolve(Path::new(&path)).into_owned();
        let data = message.data().await.map_err(|error| error.to_string())?;
        let received = message.created().micros();
        let name = format!("{}.M{}_{}.{}", received / 1_000_000, received % 1_000_000, message.id(), hostname());
        let (dir_mode, file_mode) = (self.dir_mode.unwrap_or(0o777), self.file_mode.unwrap_or(0o666));
        let id = name.clone();
        let write = move || store(&folder, &name, &data, dir_mode, file_mode);
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => Ok(id),
            Ok(Err(error)) => Err(format!("`{path}`: {error}")),
            Err(panicked) => Err(panicked.to_string()),
        }
    }
}

/// Writes into `tmp`, then moves into `new`: who reads the maildir sees whole messages alone.
fn store(folder: &Path, name: &str, data: &[u8], dir_mode: u32, file_mode: u32) -> std::io::Result<()> {
    let mut make = std::fs::DirBuilder::new();
    make.recursive(true).mode(dir_mode);
    for part in ["tmp", "new", "cur"] {
        make.create(folder.join(part))?;
    }
    let temporary: PathBuf = folder.join("tmp").join(name);
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(file_mode).open(&temporary)?;
    file.write_all(data)?;
    file.sync_all()?;
    std::fs::rename(&temporary, folder.join("new").join(name))
}

fn plain(code: u16, content: String) -> Reply {
    Reply { code, enhanced_code: None, content, command: None }
}

/// Fills a template in. What comes from the message cannot lead out of the folder that the policy meant.
fn expand(template: &str, message: &Message, to: &Address) -> Result<String, String> {
    if !template.contains('{') {
        return Ok(template.to_owned());
    }
    let queue = message.queue_name().map_err(|error| error.to_string())?;
    let name = QueueName::parse(&queue);
    let safe = |text: &str| Value::from(component(text));
    let given = |text: Option<&str>| text.map(safe);
    let meta: Vec<(String, Value)> = message
        .metas()
        .into_iter()
        .map(|(key, value)| (key, safe(&value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))))
        .collect();
    let values = context! {
        meta => Value::from_pairs(meta),
        queue => safe(&queue),
        campaign => given(name.campaign),
        tenant => given(name.tenant),
        domain => safe(name.domain),
        routing_domain => given(name.routing_domain),
        local_part => safe(to.user()),
        domain_part => safe(to.domain()),
        email => safe(to.email()),
        sender => safe(message.sender().email()),
    };
    Environment::new().render_str(template, values).map_err(|error| format!("`{template}`: {error:#}"))
}

/// A text as one component of a path.
fn component(text: &str) -> String {
    let plain: String = text.chars().map(|c| if matches!(c, '/' | '\0') { '_' } else { c }).collect();
    if plain.chars().all(|c| c == '.') { plain.replace('.', "_") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kumo_tsa_core::wire::Time;

    #[test]
    fn a_template_is_filled_in_and_leads_nowhere_else() {
        let to = Address::parse("../../etc/x@Example.com").unwrap();
        let message = Message::new(Address::null(), vec![to.clone()], "x", Time::from_secs(0));
        message.set_meta("tenant", "..".into());
        assert_eq!(
            expand("/var/m/{{ tenant }}/{{ domain_part }}/{{ local_part }}", &message, &to).unwrap(),
            "/var/m/__/Example.com/.._.._etc_x"
        );
        assert_eq!(expand("/var/plain", &message, &to).unwrap(), "/var/plain");
        assert!(expand("/var/{{ x", &message, &to).unwrap_err().contains("syntax error"));
    }
}
