---@meta

-- What policies know and this version does not have: calling it raises. Editors strike it through.

---@class kumo
local kumo = {}

---@class kumo.amqp
kumo.amqp = {}

---@class kumo.crypto
kumo.crypto = {}

---@class kumo.dkim
kumo.dkim = {}

---@class kumo.dmarc
kumo.dmarc = {}

---@class kumo.dns
kumo.dns = {}

---@class kumo.kafka
kumo.kafka = {}

---@class kumo.nats
kumo.nats = {}

---@class kumo.redis
kumo.redis = {}

---@class kumo.spf
kumo.spf = {}

---@class kumo.uuid
kumo.uuid = {}

---@class kumo.xfer
kumo.xfer = {}

---@deprecated not implemented in this version: raises
function kumo.amqp.basic_publish(...) end

---@deprecated not implemented in this version: raises
function kumo.amqp.build_client(...) end

---@deprecated not implemented in this version: raises
function kumo.compute_egress_path_config_constraints(...) end

---@deprecated not implemented in this version: raises
function kumo.compute_queue_config_constraints(...) end

---@deprecated not implemented in this version: raises
function kumo.configure_redis_throttles(...) end

---@deprecated not implemented in this version: raises
function kumo.crypto.aes_decrypt_block(...) end

---@deprecated not implemented in this version: raises
function kumo.crypto.aes_encrypt_block(...) end

---@deprecated not implemented in this version: raises
function kumo.crypto.aws_sign_v4(...) end

---@deprecated not implemented in this version: raises
function kumo.crypto.hmac_sha1(...) end

---@deprecated not implemented in this version: raises
function kumo.crypto.hmac_sha256(...) end

---@deprecated not implemented in this version: raises
function kumo.crypto.hmac_sha512(...) end

---@deprecated not implemented in this version: raises
function kumo.dkim.ed25519_signer(...) end

---@deprecated not implemented in this version: raises
function kumo.dkim.rsa_sha256_signer(...) end

---@deprecated not implemented in this version: raises
function kumo.dmarc.check_msg(...) end

---@deprecated not implemented in this version: raises
function kumo.dns.configure_test_mta_sts(...) end

---@deprecated not implemented in this version: raises
function kumo.format_egress_path_config_constraints(...) end

---@deprecated not implemented in this version: raises
function kumo.format_egress_path_config_toml(...) end

---@deprecated not implemented in this version: raises
function kumo.format_queue_config_toml(...) end

---@deprecated not implemented in this version: raises
function kumo.generate_rfc3464_message(...) end

---@deprecated not implemented in this version: raises
function kumo.kafka.build_producer(...) end

---@deprecated not implemented in this version: raises
function kumo.nats.connect(...) end

---@deprecated not implemented in this version: raises
function kumo.redis.open(...) end

---@deprecated not implemented in this version: raises
function kumo.spf.check_host(...) end

---@deprecated not implemented in this version: raises
function kumo.spf.check_msg(...) end

---@deprecated not implemented in this version: raises
function kumo.start_proxy_listener(...) end

---@deprecated not implemented in this version: raises
function kumo.uuid.make_v1(...) end

---@deprecated not implemented in this version: raises
function kumo.uuid.make_v3(...) end

---@deprecated not implemented in this version: raises
function kumo.uuid.make_v5(...) end

---@deprecated not implemented in this version: raises
function kumo.uuid.make_v6(...) end

---@deprecated not implemented in this version: raises
function kumo.uuid.new_v1(...) end

---@deprecated not implemented in this version: raises
function kumo.uuid.new_v3(...) end

---@deprecated not implemented in this version: raises
function kumo.uuid.new_v5(...) end

---@deprecated not implemented in this version: raises
function kumo.uuid.new_v6(...) end

---@deprecated not implemented in this version: raises
function kumo.xfer.xfer_in_requeue(...) end
