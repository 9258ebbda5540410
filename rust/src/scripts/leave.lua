#!lua flags=allow-oom
-- leave: end an incarnation that holds nothing any more; one that still holds jobs keeps its lease until it runs out.
--
-- KEYS  [1] leases   [2] running hash of the incarnation   [3] cancels of it   [4] calls   [5] workers   [6] wake
-- ARGV  [1] incarnation
-- Returns how many jobs it still holds.
local held = redis.call('HLEN', KEYS[2])
redis.call('SCARD', KEYS[3])
redis.call('HLEN', KEYS[4])
redis.call('HLEN', KEYS[5])
redis.call('LLEN', KEYS[6])
if held == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('DEL', KEYS[3])
  redis.call('HDEL', KEYS[4], ARGV[1])
  redis.call('HDEL', KEYS[5], ARGV[1])
  -- Somebody else may have to watch the next due time now.
  wake(KEYS[6], 1)
end
return held
