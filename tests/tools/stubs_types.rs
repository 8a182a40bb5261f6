//! What the descriptions for editors say of the types of options, tried on the functions that take them.

use kumo_tsa::policy::Policy;

use super::stubs::{OPTIONS, Stubs, eval, mail};
use crate::support::Bench;

/// A value of a type as descriptions have it, as Lua text; `None` for a type that is not tried.
fn sample(kind: &str) -> Option<String> {
    let kind = kind.trim();
    if let Some(item) = kind.strip_suffix("[]") {
        return sample(item.trim_matches(['(', ')']).split(" | ").next()?).map(|item| format!("{{ {item} }}"));
    }
    let text = match kind {
        "boolean" => "true",
        "integer" | "kumo.Limit" => "5",
        "number" => "1.5",
        "string" => "'127.0.0.1'",
        "table" => "{}",
        "kumo.Duration" => "'5s'",
        "kumo.Throttle" => "'1/s'",
        "kumo.KeySource" => "{ key_data = 'x' }",
        "kumo.Refresh" => "'Epoch'",
        "kumo.Level" => "'Warn'",
        "kumo.TraceHeaders" => "{ received_header = true }",
        "kumo.InjectionRecipient" => "{ email = 'a@b.c' }",
        "kumo.EgressPoolEntry" => "{ name = 'x' }",
        "kumo.QueueConfig" => "{ max_age = '1h' }",
        "kumo.SourceHealth" => "{ trigger = 'Immediate', duration = '1h' }",
        _ if kind.starts_with('\'') && kind.ends_with('\'') => kind,
        _ => return None,
    };
    Some(text.to_owned())
}

/// The alternatives of a type, at its outermost level.
fn alternatives(kind: &str) -> Vec<String> {
    let (mut depth, mut all) = (0, vec![String::new()]);
    for c in kind.chars() {
        depth += i32::from("<({".contains(c)) - i32::from(">)}".contains(c));
        match all.last_mut() {
            Some(last) if c != '|' || depth > 0 => last.push(c),
            _ => all.push(String::new()),
        }
    }
    all.iter().map(|one| one.trim().to_owned()).collect()
}

/// What a call says against a field with this value; `None` when it has nothing against it.
async fn complaint(policy: &Policy, expression: &str, name: &str, sample: &str) -> Option<String> {
    // A field that is none keeps the call from having an effect. Which of both is named depends on the order of the table.
    for nonsense in ["q", "zz", "nonsense", "b7", "no_such", "xyz", "a_a", "other", "y1", "y2", "y3", "y4"] {
        let call = expression.replace('T', &format!("{{ {name} = {sample}, {nonsense} = 1 }}"));
        let said = eval(policy, &format!("return tostring(select(2, pcall(function() return {call} end)))")).await;
        let said = said.split(", while processing").next().unwrap_or_default();
        if !said.contains(&format!("unknown field `{nonsense}`")) {
            return Some(said.to_owned());
        }
    }
    None
}

#[tokio::test]
async fn options_take_what_their_types_say() {
    let (bench, stubs) = (Bench::new(), Stubs::load());
    let policy = mail(&bench).await;
    let (mut tried, mut wrong) = (0, Vec::new());
    for (class, expression) in OPTIONS {
        for (name, kind) in &stubs.types[*class] {
            for mut sample in alternatives(kind).iter().filter_map(|kind| sample(kind)) {
                match name.as_str() {
                    "min_free_space" | "min_free_inodes" if sample.starts_with('\'') => "'10%'".clone_into(&mut sample),
                    "expires" => "'2030-01-01T00:00:00Z'".clone_into(&mut sample),
                    _ => {}
                }
                let said = complaint(&policy, expression, name, &sample).await;
                wrong.extend(said.map(|said| format!("{class}.{name} = {sample}: {said}")));
                tried += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 150, "{tried}");
    assert!(complaint(&policy, "kumo.make_queue_config(T)", "egress_pool", "{}").await.is_some());
}
