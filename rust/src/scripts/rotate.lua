#!lua flags=allow-oom
-- rotate: forget the ids that ended more than a dedupe window ago. Two sets take turns, so that an id is remembered for
-- at least one window and at most two, however many there are, and forgetting costs the same for all of them.
--
-- KEYS  [1] [2] done sets   [3] [4] ended hashes   [5] meta
-- ARGV  [1] dedupe window in ms
-- Returns 1 where the sets took turns, else 0.
local now = now_ms()
local known = redis.call('HMGET', KEYS[5], 'epoch', 'epoch_at', 'marker')
if not known[3] or now - tonumber(known[2] or '0') < tonumber(ARGV[1]) then
  return 0
end
local next_epoch = 1 - tonumber(known[1] or '0')
redis.call('UNLINK', KEYS[1 + next_epoch], KEYS[3 + next_epoch])
redis.call('HSET', KEYS[5], 'epoch', next_epoch, 'epoch_at', now)
return 1
