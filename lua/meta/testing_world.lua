---@meta

-- Daemons, mail hosts, providers and time under control, as specs have them.

---@class testing
local testing = {}

---@alias testing.At string | number `+5 minutes` and `-5 minutes` from now, RFC 3339, or seconds since 1970

-- Time -----------------------------------------------------------------------------------------------------------------

--- Lets time pass. Whatever is due meanwhile happens, in order.
---@param by kumo.Duration `2 hours`, or seconds
---@return number seconds since 1970
---@return string now the same as text
function testing.advance(by) end

---@return number seconds since 1970
---@return string now the same as text
function testing.now() end

--- From now on time passes in `advance` alone.
function testing.freeze() end

--- Time passes again where something waits for it.
function testing.thaw() end

--- Sets the wall clock, as an administrator does: nothing that waits for a length of time notices.
---@param by kumo.Duration `2 hours`, `-2 hours`, or seconds
---@return number seconds since 1970
---@return string now the same as text
function testing.jump(by) end

-- Names and records ----------------------------------------------------------------------------------------------------

--- Defines DNS zones for what is started later. Without any, each domain is its own mail host.
---@param text string as zone files have it: `a.example. MX 10 mx.a.example.`
function testing.zones(text) end

---@class testing.RecordOptions
---@field domain? string where the mail goes
---@field recipient? string `user@DOMAIN` unless said
---@field sender? string
---@field response? string what the peer said, such as `421 4.7.0 try again later`
---@field command? string the command that it answers
---@field type? kumo.RecordType by the response unless said
---@field source? string the egress source
---@field pool? string the egress pool
---@field tenant? string
---@field campaign? string
---@field mx? string[] the hosts that take the domain's mail, where DNS does not tell
---@field site? string the site name, where DNS does not tell
---@field at? testing.At now unless said
---@field attempts? integer
---@field size? integer
---@field id? string
---@field session? string
---@field meta? table<string, any>
---@field headers? table<string, any>

--- A full log record of the little that matters.
---@param options testing.RecordOptions
---@return kumo.LogRecord
function testing.record(options) end

-- Daemons --------------------------------------------------------------------------------------------------------------

---@class testing.DaemonOptions
---@field policy? string the policy file, from the folder of the spec
---@field shaping? string in its place: the text of a shaping file
---@field files? string[] in its place: shaping files, from the folder of the spec; they come before the text
---@field default_rules? boolean whether the rules that come with the program go before them
---@field env? table<string, string> what `os.getenv` says in the policy

--- Starts a daemon.
---@param options testing.DaemonOptions
---@return testing.Daemon
function testing.daemon(options) end

---@class testing.Daemon
local Daemon = {}

--- Takes records in, as if a mail host had published them.
---@param ... kumo.LogRecord | testing.RecordOptions | (kumo.LogRecord | testing.RecordOptions)[]
function Daemon:publish(...) end

---@class testing.DaemonSuspension
---@field site_name? string the egress path, for one of a path
---@field source? string
---@field domain? string of the queues, for one of queues
---@field tenant? string
---@field campaign? string
---@field reason string
---@field rule_hash string
---@field expires string

--- The suspensions in force, those of paths before those of queues.
---@return testing.DaemonSuspension[]
function Daemon:suspensions() end

--- The bounces in force.
---@return testing.DaemonSuspension[]
function Daemon:bounces() end

---@class testing.Effect
---@field kind 'suspension' | 'bounce' | 'override'
---@field key string
---@field action string of the rule, as `Suspend`
---@field file string of the rule
---@field line integer of the rule
---@field rule { id: string, pattern: string, scope: string, origin: { file: string, line: integer, column: integer } }
---@field rule_gone boolean
---@field holds boolean whether nothing outdoes it
---@field response string that led to it
---@field record { id: string, response: string, time: string, counted: integer }
---@field reason string
---@field begin string
---@field latest string
---@field until string
---@field path? string
---@field site? string
---@field source? string
---@field domain? string
---@field tenant? string
---@field campaign? string
---@field option? string that is overridden
---@field value? any of the option
---@field rolled boolean
---@field seq integer

--- The overrides in force that nothing outdoes.
---@return testing.Effect[]
function Daemon:overrides() end

--- All that is in force, and what led to it.
---@return testing.Effect[]
function Daemon:effects() end

---@class testing.PathQuestion
---@field domain string
---@field source? string
---@field site? string where DNS does not tell

---@class testing.Reason
---@field value any
---@field file string
---@field line integer
---@field overrode (testing.Reason | testing.Effect)[]

--- The options in force for a path, and for each why it is as it is.
---@param path testing.PathQuestion
---@return table<string, any>
---@return table<string, testing.Reason | testing.Effect>
function Daemon:config(path) end

---@return string?
function Daemon:url() end

--- Stops it. Stopping again changes nothing.
function Daemon:stop() end

-- Mail hosts -----------------------------------------------------------------------------------------------------------

---@class testing.HostOptions: testing.DaemonOptions
---@field daemons? testing.Daemon[] | table<string, testing.Daemon> that it knows; by URL where there are several
---@field provider? testing.Provider | testing.Host who takes what it sends; somebody who takes all unless said

--- Starts a mail host; without a policy that of the user guide.
---@param options? testing.HostOptions
---@return testing.Host
function testing.host(options) end

---@class testing.Host
local Host = {}

---@class testing.Letter
---@field from? string
---@field to string | string[]
---@field subject? string
---@field headers? table<string, string>
---@field body? string
---@field content? string the whole message, in the place of the four above
---@field meta? table<string, any> such mail goes straight to its queue, past the handlers of reception
---@field count? integer how many of the same; 1 unless said
---@field ehlo? string what the client calls itself

---@class testing.Outcome
---@field accepted integer
---@field refused integer
---@field code integer? of the last reply
---@field response string? the last reply
---@field replies string[]

--- Brings mail, over SMTP; fails when the host does not take it.
---@param letter testing.Letter
---@return testing.Outcome
function Host:inject(letter) end

--- Brings mail, and tells what was answered.
---@param letter testing.Letter
---@return testing.Outcome
function Host:try_inject(letter) end

---@class testing.Selection
---@field type? kumo.RecordType
---@field queue? string
---@field site? string
---@field source? string
---@field domain? string
---@field recipient? string
---@field tenant? string
---@field campaign? string

--- The records that it has logged.
---@param wanted? testing.Selection
---@return kumo.LogRecord[]
function Host:records(wanted) end

---@param wanted? testing.Selection
---@return kumo.LogRecord[]
function Host:deliveries(wanted) end

--- What was tried with a peer, well or not.
---@param wanted? testing.Selection
---@return kumo.LogRecord[]
function Host:attempts(wanted) end

---@class testing.Queue
---@field name string
---@field messages integer
---@field domain string
---@field tenant? string
---@field campaign? string
---@field suspended? string why
---@field bounced? string why

--- The scheduled queues.
---@return testing.Queue[]
function Host:queues() end

---@class testing.Path
---@field name string
---@field source string
---@field pool string
---@field messages integer that wait
---@field connections integer that are open
---@field suspended? string why
---@field until? string the suspension holds
---@field config table<string, any> the options in force
---@field delivered integer
---@field deferred integer
---@field failed integer

--- The egress paths that have been used of late.
---@return testing.Path[]
function Host:paths() end

---@class testing.HostSuspension
---@field id string
---@field name? string the egress path, for one of a path
---@field domain? string of the queues, for one of queues
---@field tenant? string
---@field campaign? string
---@field reason string
---@field duration string that is left
---@field expires? string

--- The suspensions that hold here, those of paths before those of queues.
---@return testing.HostSuspension[]
function Host:suspensions() end

--- Stops it. Stopping again changes nothing.
function Host:stop() end

-- Providers ------------------------------------------------------------------------------------------------------------

---@class testing.Step
---@field name 'connect' | 'ehlo' | 'starttls' | 'mail' | 'rcpt' | 'data' | 'body' where in a session an answer is due
---@field line string the command; for `body` the message
---@field mx string the mail exchanger that is meant
---@field ip string its address
---@field domain? string of the last recipient
---@field session integer which session it is, from 1
---@field carried integer how many messages this session has brought before
---@field tls boolean whether the session is encrypted
---@field count integer how often this was asked for
---@field ehlo? string
---@field from? string
---@field to string[]
---@field recipient? string the last one
---@field at string

---@class testing.Answer
---@field say? string
---@field after? kumo.Duration how long it takes
---@field close? boolean the session ends with it
---@field silent? boolean says nothing at all

---@alias testing.Script fun(step: testing.Step): (string | testing.Answer)?

---@alias testing.Reply string | testing.Answer | testing.Script | (string | testing.Answer | testing.Script)[] of a list one after the other; the last stays

---@class testing.Steps
---@field connect? testing.Reply
---@field ehlo? testing.Reply that of a willing server offers STARTTLS
---@field starttls? testing.Reply
---@field mail? testing.Reply
---@field rcpt? testing.Reply
---@field data? testing.Reply
---@field body? testing.Reply the end of DATA

--- A provider that answers as a script says: a function, answers by step, or either by domain or mail exchanger (`*` for
--- all others). Whatever is not said is answered by a willing server.
---@param script? testing.Script | testing.Steps | table<string, testing.Script | testing.Steps>
---@return testing.Provider
function testing.provider(script) end

---@class testing.Provider
local Provider = {}

---@class testing.TakenMessage
---@field mx string
---@field ip string
---@field ehlo? string
---@field from string
---@field to string[]
---@field domain string
---@field session integer
---@field tls boolean whether it came encrypted
---@field at string
---@field content string
---@field headers table<string, string>

--- What it took.
---@return testing.TakenMessage[]
function Provider:messages() end

---@class testing.Session
---@field mx string
---@field ip string
---@field ehlo? string
---@field opened string
---@field closed? string
---@field messages integer that it brought

---@return testing.Session[]
function Provider:sessions() end

-- Handlers one by one --------------------------------------------------------------------------------------------------

---@class testing.PolicyOptions
---@field of? 'daemon' | 'host' whose policy it is; by what it requires unless said
---@field env? table<string, string> what `os.getenv` says in the policy

--- Loads a policy, and starts nothing of it.
---@param file string from the folder of the spec
---@param options? testing.PolicyOptions
---@return testing.Policy
function testing.policy(file, options) end

---@class testing.Policy
local Policy = {}

--- Calls the handler of an event; returns what it returned, as plain values.
---@param event string
---@param ... any
---@return any ...
function Policy:call(event, ...) end

--- The same, for one that refuses: nil when it does not.
---@param event string
---@param ... any
---@return { code: integer, message: string }?
function Policy:rejection(event, ...) end

--- The events that have a handler.
---@return string[]
function Policy:events() end

---@param event string
---@return boolean
function Policy:has(event) end

---@class testing.MessageOptions
---@field from? string
---@field to? string
---@field content? string
---@field meta? table<string, any>

--- A message, as an argument of handlers.
---@param options? testing.MessageOptions
---@return kumo.Message
function testing.message(options) end

--- A connection, as an argument of handlers.
---@param meta? table<string, any>
---@return kumo.ConnectionMeta
function testing.connection(meta) end
