#!lua flags=allow-oom
-- rotate: forget the ids that ended more than a dedupe window ago. Two sets take turns, so that an id is remembered for
-- at least one window and at most two, however many there are, and forgetting costs the same for all of them. What workers
-- have told of their leases is kept for two spells as well, so that the lease of one that lives is never forgotten.
--
-- KEYS  [1] [2] done sets   [3] [4] ended hashes   [5] meta
-- ARGV  [1] dedupe window in ms
-- Returns 1 where the sets took turns, else 0.
local now = now_ms()
local known = redis.call('HMGET', KEYS[5], 'epoch', 'epoch_at', 'marker', 'hold_until', 'lease_ms', 'lease_ms_at')
if not known[3] then
  return 0
end
local told_at = whole(known[6])
if not told_at or told_at > now then
  redis.call('HSET', KEYS[5], 'lease_ms_at', now)
elseif now - told_at >= MAX_LEASE_MS / 2 and (whole(known[4]) or 0) <= now then
  -- Workers with longer leases may be gone by now; the others have told theirs in this spell, and tell it in the next.
  redis.call('HSET', KEYS[5], 'lease_ms_before', whole(known[5]) or 0, 'lease_ms_at', now)
  redis.call('HDEL', KEYS[5], 'lease_ms')
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
return 1
