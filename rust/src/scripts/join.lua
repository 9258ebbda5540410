#!lua flags=allow-oom
-- join: give a new incarnation its lease. Asked twice it changes nothing the second time.
--
-- KEYS  [1] leases   [2] workers   [3] wake
-- ARGV  [1] incarnation   [2] lease duration in ms   [3] who it is (JSON)
-- Returns the server's time in ms.
local now = now_ms()
redis.call('HLEN', KEYS[2])
redis.call('LLEN', KEYS[3])
redis.call('ZADD', KEYS[1], 'NX', now + tonumber(ARGV[2]), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return now
