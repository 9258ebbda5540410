#!lua flags=allow-oom
-- audit: count jobs and places at one moment, at most once in a while over all workers, and say whether the caller is to
-- walk over them; give an incarnation that has no lease, though it has not left, one that has run out: whoever turns next
-- reclaims from it; and shorten leases that last longer than any can, which a clock that was set back leaves behind.
--
-- KEYS  [1] jobs   [2] scheduled   [3] parked   [4] dead   [5]..[8] pending c h d l   [9] suspects   [10] meta   [11] leases
--       [12] workers   [13] calls, then the running hash of every incarnation named in ARGV
-- ARGV  [1] least ms between two audits   [2] most names looked at, and leases shortened   [3] lease duration of the caller
--       in ms   [4] ms that a walk may go on untold   [5] most ms without a walk, then the incarnations
-- Returns {how many jobs have bytes, how many places are taken, entries on lists, until when the caller may walk or 0};
--       {-1} where it is too soon, or meta has no marker; {-2} where an incarnation holds a lease that the caller did not name.
-- A walk is made where the numbers differ, and not as they did when a walk found nothing to mend; and where they are equal
-- as often as the fifth argument says, since a job that is nowhere and one too many leave them equal. One caller walks
-- at a time.
local now = now_ms()
local most, own_ms, walk_ms, rest_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local known = redis.call('HMGET', KEYS[10], 'marker', 'audit_at', 'ghosts', 'lease_ms', 'lease_ms_before', 'walk_until', 'unmended', 'walk_again', 'walked_at')
local last = whole(known[2]) or 0
if not known[1] or (last <= now and now - last < tonumber(ARGV[1])) then
  return {-1}
end
local named = {}
for i = 6, #ARGV do
  named[ARGV[i]] = true
end
for _, incarnation in ipairs(redis.call('ZRANGE', KEYS[11], 0, -1)) do
  if not named[incarnation] then
    return {-2}
  end
end
local listed, places = 0, 0
for i = 2, 4 do
  places = places + redis.call('ZCARD', KEYS[i])
end
for i = 5, 9 do
  listed = listed + redis.call('LLEN', KEYS[i])
end
for i = 14, #KEYS - CLOCK_KEYS do
  places = places + redis.call('HLEN', KEYS[i])
end
local jobs = redis.call('HLEN', KEYS[1])
local unleased = {}
for _, key in ipairs({KEYS[12], KEYS[13]}) do
  if redis.call('HLEN', key) <= most then
    for _, name in ipairs(redis.call('HKEYS', key)) do
      if not named[name] and not string.find(name, '[^!-~]') then
        named[name] = true
        unleased[#unleased + 1] = name
      end
    end
  end
end
for _, name in ipairs(unleased) do
  redis.call('ZADD', KEYS[11], 'NX', now, name)
end
tally(KEYS[10], 'mended_unleased', #unleased)
local longest = now + math.max(longest_lease(known[4], known[5], own_ms), own_ms)
local beyond = redis.call('ZRANGE', KEYS[11], '(' .. longest, '+inf', 'BYSCORE', 'LIMIT', 0, most)
for _, name in ipairs(beyond) do
  redis.call('ZADD', KEYS[11], 'XX', longest, name)
end
tally(KEYS[10], 'mended_leases', #beyond)

places = places + listed - (whole(known[3]) or 0)
local walk_until, walk_again, walked_at = whole(known[6]) or 0, whole(known[8]) or 0, whole(known[9])
local walk, rests = 0, false
if jobs ~= places then
  rests = whole(known[7]) == jobs - places and walk_again > now and walk_again <= now + rest_ms
else
  if known[7] then
    redis.call('HDEL', KEYS[10], 'unmended', 'walk_again')
  end
  if not walked_at or walked_at > now then
    walked_at = now
    redis.call('HSET', KEYS[10], 'walked_at', now)
  end
  rests = now - walked_at < rest_ms
end
if not rests and not (walk_until > now and walk_until <= now + walk_ms) then
  walk = now + walk_ms
  redis.call('HSET', KEYS[10], 'walk_until', walk, 'walked_at', now)
  tally(KEYS[10], 'audit_walks', 1)
end
redis.call('HSET', KEYS[10], 'audit_at', now)
return {jobs, places, listed, walk}
