#!lua flags=allow-oom
-- mend: put jobs that are nowhere at the head of their lists, and keep those that are in several places in one. Each is
-- looked at anew, at this moment.
--
-- KEYS  [1] jobs   [2] scheduled   [3] parked   [4] dead   [5]..[8] pending c h d l   [9] suspects   [10] meta   [11] wake
--       [12] leases   [13] ghosts, then the running hash of every incarnation named in ARGV
-- ARGV  [1] n   [2] most entries of a list that are looked through, then n members, then the incarnations
-- Returns {put back, kept in one place, left as they are since a list is too long}; {-2} where an incarnation holds a lease
--       that the caller did not name.
-- Of several places the first of running, dead, scheduled and parked is kept, and a list only where there is no other.
-- Where a list is too long to be looked through, nothing is put back, for it may be there, and nothing taken from lists.
local n, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local lists = {c = KEYS[5], h = KEYS[6], d = KEYS[7], l = KEYS[8]}
local named = {}
for i = 3 + n, #ARGV do
  named[ARGV[i]] = true
end
for _, incarnation in ipairs(redis.call('ZRANGE', KEYS[12], 0, -1)) do
  if not named[incarnation] then
    return {-2}
  end
end
local longest = 0
for i = 5, 9 do
  longest = math.max(longest, redis.call('LLEN', KEYS[i]))
end
redis.call('HLEN', KEYS[10])
redis.call('LLEN', KEYS[11])
redis.call('HLEN', KEYS[13])

-- The members of an id by which it is on lists, one for each entry that belongs to it and to no cancelled job before it.
local function entries_on_lists(id)
  local entries = {}
  for letter in pairs(lists) do
    local mark = redis.call('HGET', KEYS[13], id .. letter)
    local count = entries_of(id .. letter, lists, KEYS[9]) - (mark and (whole(mark) or 1) or 0)
    for _ = 1, count do
      entries[#entries + 1] = id .. letter
    end
  end
  return entries
end

local homeless, weaker, surplus, doubled, postponed, seen = {}, {}, {}, 0, 0, {}
for i = 1, n do
  local member = ARGV[2 + i]
  local id = id_of(member)
  if not seen[id] and redis.call('HEXISTS', KEYS[1], id) == 1 then
    seen[id] = true
    local taken = places_of(id, {KEYS[4], KEYS[2], KEYS[3]}, 14)
    local entries = {}
    if longest <= most then
      entries = entries_on_lists(id)
    elseif #taken <= 1 then
      postponed = postponed + 1
    end
    if #taken == 0 and #entries == 0 and longest <= most then
      homeless[#homeless + 1] = member
    elseif #taken + #entries > 1 then
      doubled = doubled + 1
    end
    for k = 2, #taken do
      weaker[#weaker + 1] = taken[k]
    end
    for k = #taken == 0 and 2 or 1, #entries do
      surplus[#surplus + 1] = entries[k]
    end
  end
end
for _, place in ipairs(weaker) do
  if place.ranked then
    redis.call('ZREM', place.key, place.member)
  else
    redis.call('HDEL', place.key, place.member)
  end
end
for _, member in ipairs(surplus) do
  -- The entry among the suspects is kept for longest: it tells that the job runs alone.
  if redis.call('LREM', lists[string.sub(member, 17)], 1, member) == 0 then
    redis.call('LREM', KEYS[9], 1, member)
  end
end
if #homeless > 0 then
  put_at_head(lists, homeless)
  wake(KEYS[11], #homeless)
end
tally(KEYS[10], 'mended_homeless', #homeless)
tally(KEYS[10], 'mended_doubled', doubled)
return {#homeless, doubled, postponed}
