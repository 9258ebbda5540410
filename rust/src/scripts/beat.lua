#!lua flags=allow-oom
-- beat: renew the lease of an incarnation that still has one; O(1) however many jobs it holds.
--
-- KEYS  [1] leases   [2] cancels of the incarnation   [3] running hash of it   [4] meta
-- ARGV  [1] incarnation   [2] lease duration in ms, then the cancelled members that the worker has heard of
-- Returns {1, now, cancelled members not yet heard of, how many jobs it holds} or {0, now} where the lease is gone.
local now = now_ms()
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return {0, now}
end
redis.call('SCARD', KEYS[2])
local held = redis.call('HLEN', KEYS[3])
redis.call('HLEN', KEYS[4])
redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[2]), ARGV[1])
if #ARGV > 2 then
  redis.call('SREM', KEYS[2], unpack(ARGV, 3))
end
tell_lease(KEYS[4], tonumber(ARGV[2]))
return {1, now, redis.call('SMEMBERS', KEYS[2]), held}
