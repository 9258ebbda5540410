#!lua flags=allow-oom
-- hold: the server's clock was seen to jump. For the longest lease nothing is reclaimed, so that live workers can renew
-- theirs first; what no worker renews runs out with the hold, however far in the future the old clock had put that.
--
-- KEYS  [1] meta   [2] leases
-- ARGV  [1] lease duration of the caller in ms   [2] most leases to shorten
-- Returns the time in ms until which reclaiming is held back; -1 where meta has no marker.
local now = now_ms()
local known = redis.call('HMGET', KEYS[1], 'marker', 'hold_until', 'lease_ms', 'lease_ms_before')
redis.call('ZCARD', KEYS[2])
if not known[1] then
  return -1
end
local ends = now + longest_lease(known[3], known[4], tonumber(ARGV[1]))
local held_until = whole(known[2]) or 0
for _, name in ipairs(redis.call('ZRANGE', KEYS[2], '(' .. ends, '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  redis.call('ZADD', KEYS[2], 'XX', ends, name)
end
redis.call('HSET', KEYS[1], 'hold_until', ends)
-- Every worker sees the same jump: the first of them counts it.
if held_until <= now or held_until > ends then
  tally(KEYS[1], 'clock_jumps', 1)
end
return ends
