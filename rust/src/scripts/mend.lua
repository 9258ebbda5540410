#!lua flags=allow-oom
-- mend: put jobs that are nowhere at the head of their lists, and keep those that are in several places in one. Each is
-- looked at anew, at this moment.
--
-- KEYS  [1] jobs   [2] scheduled   [3] parked   [4] dead   [5]..[8] pending c h d l   [9] suspects   [10] meta   [11] wake
--       [12] leases, then the running hash of every incarnation named in ARGV
-- ARGV  [1] n   [2] most entries of a list that are looked through, then n members, then the incarnations
-- Returns {put back, kept in one place}; {-2} where an incarnation holds a lease that the caller did not name.
-- Where a list is longer than that, nothing is put back: a job may be on it. Of several places the first of running,
-- dead, scheduled and parked is kept.
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

local function is_listed(id)
  for letter, list in pairs(lists) do
    if redis.call('LPOS', list, id .. letter) or redis.call('LPOS', KEYS[9], id .. letter) then
      return true
    end
  end
  return false
end

local homeless, weaker, doubled, seen = {}, {}, 0, {}
for i = 1, n do
  local member = ARGV[2 + i]
  local id = id_of(member)
  if not seen[id] and redis.call('HEXISTS', KEYS[1], id) == 1 then
    seen[id] = true
    local taken = places_of(id, {KEYS[4], KEYS[2], KEYS[3]}, 13)
    if #taken == 0 and longest <= most and not is_listed(id) then
      homeless[#homeless + 1] = member
    elseif #taken > 1 then
      doubled = doubled + 1
      for k = 2, #taken do
        weaker[#weaker + 1] = taken[k]
      end
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
if #homeless > 0 then
  put_at_head(lists, homeless)
  wake(KEYS[11], #homeless)
end
tally(KEYS[10], 'mended_homeless', #homeless)
tally(KEYS[10], 'mended_doubled', doubled)
return {#homeless, doubled}
