#!lua flags=allow-oom
-- rotate: forget the ids that ended more than a dedupe window ago. Two sets take turns, so that an id is remembered for
-- at least one window and at most two, however many there are, and forgetting costs the same for all of them.
--
-- KEYS  [1] [2] done sets   [3] [4] ended hashes   [5] meta
-- ARGV  [1] dedupe window in ms
-- Returns 1 where the sets took turns, else 0.
local now = now_ms()
local known = redis.call('HMGET', KEYS[5], 'epoch', 'epoch_at', 'marker', 'hold_until')
if not known[3] then
  return 0
end
local since, epoch = whole(known[2]), epoch_of(known[1])
if not since or since > now or known[1] ~= tostring(epoch) then
  -- Rubbish, or the clock was set back. A window begins anew: ids are remembered for too long, never too short.
  redis.call('HSET', KEYS[5], 'epoch', epoch, 'epoch_at', now)
  if not since or known[1] ~= tostring(epoch) then
    tally(KEYS[5], 'mended_number', 1)
  end
  return 0
end
if now - since < tonumber(ARGV[1]) then
  return 0
end
local next_epoch = 1 - epoch
redis.call('UNLINK', KEYS[1 + next_epoch], KEYS[3 + next_epoch])
redis.call('HSET', KEYS[5], 'epoch', next_epoch, 'epoch_at', now)
if (whole(known[4]) or 0) <= now then
  -- Workers with longer leases may be gone by now; the others tell theirs with the next beat.
  redis.call('HDEL', KEYS[5], 'lease_ms')
  redis.call('HSET', KEYS[5], 'lease_ms_at', now)
end
return 1
