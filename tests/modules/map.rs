//! `kumo.domain_map` and `kumo.cidr_map`.

use super::Tables;

#[test]
fn domains_find_the_closest_entry() {
    Tables::new()
        .gives(
            "local m = kumo.domain_map.new{['example.com'] = 1, ['*.example.com'] = 2, ['*.deep.example.com'] = 3, ['a.deep.example.com'] = {4}}
             return m['example.com'], m['a.example.com'], m['b.a.example.com'], m['x.deep.example.com'], m['a.deep.example.com'][1], m['deep.example.com'], m['example.org'], #m",
            "1, 2, 2, 3, 4, 2, nil, 4",
        )
        .gives("local m = kumo.domain_map.new() m['Example.COM'] = 'x' m['*'] = 'any' return m['example.com.'], m['EXAMPLE.com'], m['other']", "x, x, any")
        .gives("local m = kumo.domain_map.new{['b.example'] = 1, ['a.example'] = 2} m['b.example'] = nil local n = {} for k, v in pairs(m) do n[k] = v end return n", r#"{ "a.example": 2 }"#)
        .raises("kumo.domain_map.new{['a.example'] = print}", "kumo.domain_map: value for `a.example`: ")
        .raises("kumo.domain_map.new('x')", "bad argument #1 to `kumo.domain_map.new`");
}

#[test]
fn addresses_find_the_smallest_network() {
    Tables::new()
        .gives(
            "local m = kumo.cidr_map.new{['10.0.0.0/8'] = 'ten', ['10.1.0.0/16'] = 'one', ['10.1.2.3'] = 'host', ['::/0'] = 'six', ['fe80::/10'] = 'link'}
             return m['10.9.9.9'], m['10.1.9.9'], m['10.1.2.3'], m['10.1.2.3:25'], m['192.0.2.1'], m['2001:db8::1'], m['[fe80::1]:25'], #m",
            "ten, one, host, host, nil, six, link, 5",
        )
        .gives("local m = kumo.cidr_map.new() m['192.0.2.77/24'] = 1 local n = {} for k in pairs(m) do n[#n + 1] = k end return n, m['192.0.2.0/24'], m['192.0.2.0/25']", r#"[ "192.0.2.0/24" ], 1, nil"#)
        .raises("kumo.cidr_map.new{['10.0.0.0/33'] = 1}", "kumo.cidr_map: `10.0.0.0/33` is not an IP address, nor a network");
}

#[test]
fn maps_can_be_remembered() {
    Tables::new().gives(
        "local calls = 0
         local load = kumo.memoize(function(name)
           calls = calls + 1
           return {domains = kumo.domain_map.new{['*.' .. name] = {tenant = 'a'}}, nets = kumo.cidr_map.new{['10.0.0.0/8'] = true}}
         end, {name = 'maps', ttl = '1 minute', capacity = 2})
         load('example')
         local kept = load('example')
         return calls, kept.domains['x.example'].tenant, kept.nets['10.1.1.1']",
        "1, a, true",
    );
}
