//! The descriptions for editors in `lua/meta/`.

use regex::Regex;

use super::rig::{bench, real};

#[tokio::test]
async fn each_function_that_is_described_is_there() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/lua/meta");
    let pattern = Regex::new(r"(?m)^(?:function )?(kumo[\w.]*\.\w+)(?:\(| = kumo\.)").unwrap();
    let bench = bench(real);
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let parses = format!("assert(load(kumo.json_parse([==[{}]==]))) return 'yes'", serde_json::json!(text));
        assert_eq!(bench.eval(&parses).await, "yes");
        names.extend(pattern.captures_iter(&text).map(|found| found[1].to_owned()));
    }
    assert!(names.len() > 60, "{names:?}");
    let list = names.iter().map(|name| format!("['{name}'] = {name}")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "local there = {{ {list} }} return kumo.json_encode((function()
        local kinds = {{}} for name, value in pairs(there) do kinds[name] = type(value) end return kinds end)())"
    );
    let there: serde_json::Value = serde_json::from_str(&bench.eval(&text).await).unwrap();
    for name in names {
        assert_eq!(there[&name], serde_json::json!("function"), "{name}");
    }
}
