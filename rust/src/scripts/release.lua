#!lua flags=allow-oom
-- release: give leased jobs back unharmed, their attempt not counted; they come out first.
--
-- KEYS  [1] running hash of the incarnation   [2]..[5] pending c h d l   [6] suspects   [7] meta   [8] wake
-- ARGV  [1] n   [2] `pending` or `suspects`: where they came from, then n members and their n lease calls
-- Returns one digit per job: 1 given back, 0 lost. What holds a job and is no number counts as call 0.
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
local n = tonumber(ARGV[1])
local lists = {c = KEYS[2], h = KEYS[3], d = KEYS[4], l = KEYS[5]}
local held = redis.call('HMGET', KEYS[1], unpack(ARGV, 3, 2 + n))
for i = 2, 6 do
  redis.call('LLEN', KEYS[i])
end
redis.call('HLEN', KEYS[7])
redis.call('LLEN', KEYS[8])
local out, members, seen = {}, {}, {}
for i = 1, n do
  local member = ARGV[2 + i]
  local call = ARGV[2 + n + i]
  local ours = held[i] == call or (call == '0' and held[i] and (whole(held[i]) or -1) < 0)
  if ours and not seen[member] then
    seen[member] = true
    out[i] = '1'
    members[#members + 1] = member
  else
    out[i] = '0'
  end
end
if #members > 0 then
  redis.call('HDEL', KEYS[1], unpack(members))
  if ARGV[2] == 'suspects' then
    for i = #members, 1, -1 do
      redis.call('RPUSH', KEYS[6], members[i])
    end
  else
    put_at_head(lists, members)
  end
  tally(KEYS[7], 'released', #members)
  wake(KEYS[8], #members)
end
return table.concat(out)
