---@meta

-- Domains and addresses.

---@class kumo
local kumo = {}

---@class kumo.dns
kumo.dns = {}

---@class kumo.Mx
---@field domain_name string
---@field hosts string[]
---@field site_name string
---@field by_pref table<integer, string[]>
---@field is_domain_literal boolean
---@field is_secure boolean
---@field is_mx boolean

---@param domain string
---@param resolver? string the name of one that `define_resolver` made
---@return kumo.Mx
function kumo.dns.lookup_mx(domain, resolver) end

---@param name string
---@param strategy? string
---@param resolver? string
---@return string[]
function kumo.dns.lookup_addr(name, strategy, resolver) end

---@param ip string
---@param resolver? string
---@return string[]
function kumo.dns.lookup_ptr(ip, resolver) end

---@param name string
---@param resolver? string
---@return string[]
function kumo.dns.lookup_txt(name, resolver) end

---@param ip string
---@param list string
---@param resolver? string
---@return string?, string?
function kumo.dns.rbl_lookup(ip, list, resolver) end

---@param ip string
---@return string
function kumo.dns.ptr_host(ip) end

---@param ip string
---@return string
function kumo.dns.reverse_ip(ip) end

---@class kumo.ResolverConfig
---@field domain? string
---@field search? string[]
---@field name_servers? (string | table)[]
---@field options? table

---@param config kumo.ResolverConfig
function kumo.dns.configure_resolver(config) end

---@param config kumo.ResolverConfig
function kumo.dns.configure_unbound_resolver(config) end

---@param zones any[]
function kumo.dns.configure_test_resolver(zones) end

---@param path? string
---@return kumo.ResolverConfig
function kumo.dns.load_resolv_conf(path) end

---@param name string
---@param source 'HickorySystemConfig' | { Hickory?: kumo.ResolverConfig, Unbound?: kumo.ResolverConfig, Test?: any[], Aggregate?: any[] }
function kumo.dns.define_resolver(name, source) end

---@param limit integer
function kumo.dns.set_mx_concurrency_limit(limit) end

---@param timeout kumo.Duration
function kumo.dns.set_mx_timeout(timeout) end

---@param ttl kumo.Duration
function kumo.dns.set_mx_negative_cache_ttl(ttl) end

---@param enabled boolean
function kumo.dns.set_mta_sts_enabled(enabled) end

---@class kumo.domain_map
kumo.domain_map = {}

--- A map by domain; `*.example.com` stands for what has no entry of its own.
---@param entries? table<string, any>
---@return table<string, any>
function kumo.domain_map.new(entries) end

---@class kumo.cidr_map
kumo.cidr_map = {}

--- A map by network; an address finds the smallest network that holds it.
---@param entries? table<string, any>
---@return table<string, any>
function kumo.cidr_map.new(entries) end
