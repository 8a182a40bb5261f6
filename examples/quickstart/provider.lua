-- Pretend mailbox providers, for `tsa up`: a policy of the same mail host, which takes mail in and throws it away. They answer
-- as real ones do: within limits they accept; who is too fast, or comes back too soon, is told so in their words.
--
-- `tsa up` leads every connection of the mail host here, so nothing leaves this machine.
local kumo = require 'kumo'

-- How long an answer to RCPT or DATA takes, in seconds.
local LATENCY = 0.5

kumo.on('init', function()
  kumo.define_spool { name = 'data', path = '/var/spool/kumomta/data', kind = 'Fjall' }
  kumo.define_spool { name = 'meta', path = '/var/spool/kumomta/meta', kind = 'Fjall' }
  kumo.start_esmtp_listener {
    -- Another address: KUMO_PROVIDER_LISTEN=127.0.0.1:26
    listen = os.getenv 'KUMO_PROVIDER_LISTEN' or '127.0.0.1:2526',
    hostname = 'mx.provider.example',
    relay_hosts = { '127.0.0.1', '::1' },
  }
end)

-- Without a certificate that anyone knows, better no STARTTLS.
kumo.on('smtp_server_ehlo', function(_, _, extensions)
  local offered = {}
  for _, extension in ipairs(extensions) do
    if extension ~= 'STARTTLS' then
      offered[#offered + 1] = extension
    end
  end
  return offered
end)

-- Counts one more of something that is forgotten evenly, `limit` in a period, and tells how many there are.
local function count(what, limit, period)
  local state = kumo.make_throttle(what, limit .. '/' .. period):throttle()
  return limit - state.remaining
end

-- How many messages this connection has carried.
local function carried(conn)
  local messages = (conn:get_meta 'messages' or 0) + 1
  conn:set_meta('messages', messages)
  return messages
end

-- Lua contexts come and go; what is memoized stays.
local first_seen = kumo.memoize(function(_)
  return os.time()
end, { name = 'first_seen', ttl = '1 day', capacity = 10000 })

-- What counts is who sends: here the name in EHLO stands for the address.
local RECEIVES = {}

-- About 60 messages in an hour from one sender, counting those that were turned away: who goes on regardless stays out.
local function yahoo(from, _, conn)
  if carried(conn) > 10 then
    kumo.disconnect(421, 'Max message per connection reached, closing transmission channel')
  end
  if count('yahoo ' .. from, 300, '5h') > 60 then
    kumo.disconnect(
      421,
      '4.7.0 [TSS04] Messages from '
        .. from
        .. ' temporarily deferred due to unexpected volume or user complaints - 4.16.55.1;'
        .. ' see https://postmaster.yahooinc.com/error-codes'
    )
  end
end
RECEIVES['yahoo.com'] = yahoo
RECEIVES['aol.com'] = yahoo

-- Three connections in a minute.
RECEIVES['post.example'] = function(from, _, conn)
  if carried(conn) == 1 and kumo.make_throttle('post ' .. from, '3/min'):throttle().throttled then
    kumo.disconnect(421, '4.7.0 mx1.post.example Error: connection rate limit exceeded')
  end
end

-- Greylisting: who has not been seen before comes back after five minutes, as a mail host does.
RECEIVES['university.example'] = function(from, to)
  if os.time() - first_seen(from .. ' ' .. to.email) < 300 then
    kumo.reject(451, '4.7.1 Greylisted, please come back in 5 minutes')
  end
end

-- A mailbox that nobody empties.
RECEIVES['club.example'] = function(_, to)
  if to.user == 'full' then
    kumo.reject(452, "4.2.2 The recipient's inbox is out of storage space")
  end
end

kumo.on('smtp_server_rcpt_to', function(to, conn)
  local receives = RECEIVES[to.domain]
  if receives then
    -- Saying no takes as long as saying yes.
    kumo.sleep(LATENCY)
    receives(conn:get_meta 'ehlo_domain', to, conn)
  end
end)

kumo.on('smtp_server_message_received', function(msg)
  kumo.sleep(LATENCY)
  msg:set_meta('queue', 'null')
end)
