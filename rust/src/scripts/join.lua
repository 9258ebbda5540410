#!lua flags=allow-oom
-- join: give a new incarnation its lease. Asked twice it changes nothing the second time.
--
-- KEYS  [1] leases   [2] workers   [3] wake   [4] meta
-- ARGV  [1] incarnation   [2] lease duration in ms   [3] who it is (JSON)
-- Returns the server's time in ms; -1 where meta has no marker.
local now = now_ms()
redis.call('HLEN', KEYS[2])
redis.call('LLEN', KEYS[3])
if not redis.call('HGET', KEYS[4], 'marker') then
  return -1
end
redis.call('ZADD', KEYS[1], 'NX', now + tonumber(ARGV[2]), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
tell_lease(KEYS[4], tonumber(ARGV[2]))
return now
