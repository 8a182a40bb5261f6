//! `kumo.string`, `kumo.regex`, `kumo.encode`, `kumo.digest`, `kumo.uuid` and what is missing.

use super::Tables;

#[test]
fn strings_are_split() {
    Tables::new()
        .gives("return kumo.string.split('a,b,,c', ',')", r#"[ "a", "b", "", "c" ]"#)
        .gives("return kumo.string.rsplit('a,b,c', ',')", r#"[ "c", "b", "a" ]"#)
        .gives("return kumo.string.splitn('a,b,c', 2, ',')", r#"[ "a", "b,c" ]"#)
        .gives("return kumo.string.rsplitn('a,b,c', 2, ',')", r#"[ "c", "a,b" ]"#)
        .gives("return kumo.string.split_whitespace(' a\\t b\\u{2003}c ')", r#"[ "a", "b", "c" ]"#)
        .gives("return #kumo.string.split_ascii_whitespace(' a\\t b\\u{2003}c ')", "2")
        .raises("kumo.string.splitn('a,b', ',', 2)", "bad argument #2 to `kumo.string.splitn`")
        .raises("kumo.string.split(nil, ',')", "bad argument #1 to `kumo.string.split`");
}

#[test]
fn strings_are_changed_and_looked_at() {
    Tables::new()
        .gives("return kumo.string.replace('a.b.c', '.', '-')", "a-b-c")
        .gives("return kumo.string.replacen('a.b.c', '.', '-', 1)", "a-b.c")
        .gives("return kumo.string.starts_with('abc', 'ab'), kumo.string.ends_with('abc', 'ab')", "true, false")
        .gives("return '[' .. kumo.string.trim(' a ') .. kumo.string.trim_start(' b ') .. kumo.string.trim_end(' c ') .. ']'", "[ab  c]");
}

#[test]
fn domains_are_cut_by_the_public_suffix_list() {
    Tables::new()
        .gives("return kumo.string.psl_domain('mx.Mail.example.co.uk')", "example.co.uk")
        .gives("return kumo.string.psl_domain('a.EXAMPLE.com')", "EXAMPLE.com")
        .gives("return kumo.string.psl_suffix('mx.example.co.uk')", "co.uk")
        .gives("return kumo.string.psl_domain('com')", "nil");
}

#[test]
fn templates_and_wrapping() {
    Tables::new()
        .gives("return kumo.string.eval_template('t', 'Hi {{ who.name }}{% for n in list %} {{ n + 1 }}{% endfor %}', {who = {name = '<x>'}, list = {1, 2}})", "Hi <x> 2 3")
        .gives("return kumo.string.eval_template('t.html', '{{ x }}', {x = '<b>'})", "&lt;b&gt;")
        .raises("kumo.string.eval_template('greet', '{{ x', {})", "greet")
        .gives("return kumo.string.wrap('one two three four', 9)", "one two\nthree\nfour")
        .gives("return kumo.string.wrap('abcdefgh', 2, 4)", "abcd\nefgh");
}

#[test]
fn patterns_match() {
    Tables::new()
        .gives(
            "local c = kumo.regex.compile([[(?<user>\\w+)@(\\w+)(!)?]]):captures('to joe@example.com') return c[0], c[1], c.user, c[2], c[3]",
            "joe@example, joe, joe, example, nil",
        )
        .gives("return kumo.regex.compile('b'):captures('a')", "nil")
        .gives("local r = kumo.regex.compile('(?<!a)b(?=c)') return r:is_match('abc'), r:is_match('xbc'), tostring(r)", "false, true, (?<!a)b(?=c)")
        .gives("local r = kumo.regex.compile('[0-9]+') return r:find('a12b3'), r:find('x'), r:find_all('a12b3'), r:split('a12b3c')", r#"12, nil, [ "12", "3" ], [ "a", "b", "c" ]"#)
        .gives("local r = kumo.regex.compile('(\\\\d)') return r:replace('a1b2c3', '<$1>'), r:replace_all('a1b2', '-'), r:replacen('1 2 3', 2, 'x'), r:replacen('1', 0, 'x')", "a<1>b2c3, a-b-, x x 3, 1")
        .gives("return kumo.regex.escape('a.b*c')", r"a\.b\*c");
}

#[test]
fn patterns_that_are_wrong_or_too_costly_raise() {
    Tables::new().raises("kumo.regex.compile('(')", "kumo.regex.compile: invalid pattern `(`").raises(
        "kumo.regex.compile([[((a+)+)+\\2(?=c)]]):is_match(('a'):rep(40))",
        "matching the pattern `((a+)+)+\\2(?=c)`",
    );
}

#[test]
fn bytes_as_text_and_back() {
    Tables::new()
        .gives("return kumo.encode.base64_encode('a\\xff?'), kumo.encode.base64url_encode('\\xff\\xfe'), kumo.encode.base64url_nopad_encode('\\xff\\xfe')", "Yf8/, __4=, __4")
        .gives("return kumo.encode.base64_decode('aGk='), kumo.encode.base64_nopad_decode('aGk'), kumo.encode.base32_decode('NBUQ===='), kumo.encode.hex_decode('6869'), kumo.encode.hex_decode('6A')", "hi, hi, hi, hi, j")
        .gives("return kumo.encode.hex_encode('hi'), kumo.encode.base32_encode('hi'), kumo.encode.base32_nopad_encode('hi')", "6869, NBUQ====, NBUQ")
        .raises("kumo.encode.base64_decode('*')", "kumo.encode.base64_decode: invalid base64 text");
}

#[test]
fn checksums() {
    Tables::new()
        .gives("return tostring(kumo.digest.md5('hello'))", "5d41402abc4b2a76b9719d911017c592")
        .gives("return kumo.digest.sha1('hel', 'lo').hex", "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")
        .gives("return kumo.digest.sha256('').hex", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        .gives("return #kumo.digest.sha512('').bytes, #kumo.digest.sha384('').bytes, #kumo.digest.sha224('').bytes, #kumo.digest.sha512_256('').bytes", "64, 48, 28, 32")
        .gives("return kumo.digest.sha3_256('').hex", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a")
        .gives("return kumo.digest.md5('hello').base64", "XUFAKrxLKna5cZ2REBfFkg==");
}

#[test]
fn ids() {
    Tables::new()
        .gives("local u = kumo.uuid.parse('urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8') return tostring(u), u.simple, u.braced, #u.bytes, u == kumo.uuid.parse(u.bytes)", "67e55044-10b1-426f-9247-bb680e5fe0c8, 67e5504410b1426f9247bb680e5fe0c8, {67e55044-10b1-426f-9247-bb680e5fe0c8}, 16, true")
        .gives("return #kumo.uuid.make_v4(), kumo.uuid.make_v4() ~= kumo.uuid.make_v4(), kumo.uuid.make_v7():sub(1, 8), #tostring(kumo.uuid.new_v7())", "36, true, 019c13ec, 36")
        .raises("kumo.uuid.parse('x')", "kumo.uuid.parse: invalid id `x`");
}

#[test]
fn what_is_missing_says_so_when_called() {
    Tables::new()
        .raises("kumo.uuid.make_v5()", "`kumo.uuid.make_v5` is not implemented")
        .raises("kumo.crypto.aes_encrypt_block{}", "`kumo.crypto.aes_encrypt_block` is not implemented");
}
