#!lua flags=allow-oom
-- walk: tell that a walk of the audit goes on, or is over, so that no second one begins beside it.
--
-- KEYS  [1] meta
-- ARGV  [1] until when it may last, as the caller was told   [2] ms that it may go on untold; 0: it is over
--       [3] the difference of jobs and places that nothing is left to mend for, or empty   [4] ms without a walk over that
-- Returns until when it may last now; 0 where it is over, or somebody else walks by now.
local now = now_ms()
local known = redis.call('HMGET', KEYS[1], 'marker', 'walk_until')
if not known[1] or known[2] ~= ARGV[1] then
  return 0
end
if ARGV[2] ~= '0' then
  local walk_until = now + tonumber(ARGV[2])
  redis.call('HSET', KEYS[1], 'walk_until', walk_until)
  return walk_until
end
redis.call('HDEL', KEYS[1], 'walk_until')
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'unmended', ARGV[3], 'walk_again', now + tonumber(ARGV[4]))
end
return 0
