//! `kumo.serde`.

use super::Tables;

#[test]
fn json_comes_in_without_its_comments_and_nulls() {
    Tables::new()
        .gives(
            r#"local t = kumo.serde.json_parse('{ // one\n "a": 1, /* two */ "b": [1.5, "x//y", true], "c": null}')
               return t, t.c, math.type(t.a), math.type(t.b[1])"#,
            r#"{ "a": 1, "b": [ 1.5, "x//y", true ] }, nil, integer, float"#,
        )
        .gives("return kumo.json_parse('null')", "nil")
        .gives(
            "return math.type(kumo.json_parse('9007199254740993')), kumo.json_parse('9007199254740993')",
            "integer, 9007199254740993",
        );
}

#[test]
fn json_goes_out_as_it_came_in() {
    Tables::new()
        .gives("return kumo.json_encode({})", "{}")
        .gives("return kumo.json_encode(kumo.json_parse('[]'))", "[]")
        .gives("return kumo.json_encode(kumo.json_parse('{\"a\":[],\"b\":{}}').a)", "[]")
        .gives("return kumo.json_encode(kumo.toml_parse('a = []').a)", "[]")
        .gives("return kumo.json_encode({1, 'two', 3.5, 4.0, true})", "[1,\"two\",3.5,4.0,true]")
        .gives("return kumo.json_encode({1, nil, 3})", "[1,null,3]")
        .gives("return kumo.json_encode(nil)", "null")
        .gives("return kumo.json_encode({[5] = 'five'})", "{\"5\":\"five\"}")
        .gives("return kumo.json_encode('tab\\t')", "\"tab\\t\"")
        .gives(
            "return kumo.serde.json_encode_pretty({b = 1, a = {d = 2, c = {}}})",
            "{\n  \"a\": {\n    \"c\": {},\n    \"d\": 2\n  },\n  \"b\": 1\n}",
        );
}

#[test]
fn a_table_with_few_of_its_numbers_is_a_map() {
    Tables::new()
        .gives("local t = {} for i = 0, 50 do t[1 << i] = i end return #kumo.json_encode(t) < 2000", "true")
        .gives("local t = kumo.json_parse('[]') t[1 << 50] = 1 return kumo.json_encode(t)", "{\"1125899906842624\":1}")
        .gives("return kumo.json_encode(kumo.json_parse('[null, null, 5]'))", "[null,null,5]");
}

#[test]
fn a_list_with_names_too_is_a_map() {
    Tables::new().gives("return {10, 20, name = 'x'}", r#"{ "1": 10, "2": 20, "name": "x" }"#);
}

#[test]
fn userdata_is_walked_with_its_pairs() {
    Tables::new()
        .gives(
            "return kumo.json_encode({map = kumo.domain_map.new{['a.example'] = {1}}})",
            "{\"map\":{\"a.example\":[1]}}",
        )
        .gives("local f = kumo.memoize(function() return {list = kumo.json_parse('[]'), n = {1}} end, {name = 'f', ttl = 60, capacity = 1}) return kumo.serde.json_encode_pretty(f()):gsub('%s', '')", "{\"list\":[],\"n\":[1]}, 17")
        .gives("return kumo.json_encode(kumo.regex.compile('a+'))", "\"a+\"")
        .gives(
            "return kumo.json_encode({kumo.time.now(), kumo.time.parse_duration '90s'})",
            "[\"2026-01-31T12:00:00Z\",\"1m 30s\"]",
        );
}

#[test]
fn what_cannot_be_data_is_named() {
    Tables::new()
        .raises("kumo.json_encode({print})", "a function cannot be written as data")
        .raises("local t = {} t.t = t kumo.json_encode(t)", "value nests deeper than 128")
        .raises("kumo.json_encode({[{}] = 1})", "a table cannot be a key in data")
        .raises("kumo.toml_encode({1})", "unsupported")
        .raises("kumo.json_parse()", "bad argument #1 to `kumo.serde.json_parse`");
}

#[test]
fn errors_say_what_was_parsed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "a = ").unwrap();
    let tables = Tables::new().with("file", file.to_str().unwrap());
    tables
        .raises("kumo.toml_parse('a = ')", "parsing a =  as toml\n")
        .raises("kumo.json_parse('[1, // x\\n]')", "as json\ntrailing comma at line 2 column 1")
        .raises("kumo.yaml_parse = kumo.serde.yaml_parse kumo.yaml_parse('a: [')", "parsing a: [ as yaml\n")
        .raises("kumo.serde.toml_load('/no/such/file')", "`/no/such/file`")
        .raises("kumo.toml_load(file)", &format!("parsing {} as toml\n", file.display()))
        .gives("local ok, e = pcall(kumo.json_parse, ('x'):rep(1000)) return #tostring(e) < 500", "true");
}

#[test]
fn toml_and_yaml() {
    Tables::new()
        .gives(
            "return kumo.toml_parse('a = 1\\nd = 2026-01-31T12:00:00Z\\n[t]\\nx = [1.0, 2]')",
            r#"{ "a": 1, "d": "2026-01-31T12:00:00Z", "t": { "x": [ 1.0, 2 ] } }"#,
        )
        .gives("return kumo.serde.toml_encode_pretty{b = {1, 2}, a = 'x'}", "a = \"x\"\nb = [\n    1,\n    2,\n]\n")
        .gives("return kumo.serde.toml_encode_pretty_compact{b = {1, 2}, a = {c = 1}}", "b = [1, 2]\n\n[a]\nc = 1\n")
        .gives("return kumo.toml_encode{a = {b = 1}}", "[a]\nb = 1\n")
        .gives("return kumo.serde.yaml_parse('a: 1\\nb: [x, ~]\\n3: three')[3]", "three")
        .gives("return kumo.serde.yaml_encode{a = {1, 2}}", "a:\n- 1\n- 2\n");
}
