#!lua flags=allow-oom
-- reclaim: move on the jobs of an incarnation whose lease ran out, and count a crash for each.
--
-- KEYS  [1] leases   [2] running hash of the lost incarnation   [3] cancels of it   [4]..[7] pending c h d l   [8] suspects
--       [9] crashes   [10] dead   [11] failures   [12] jobs   [13] history   [14] [15] done sets   [16] [17] ended hashes
--       [18] meta   [19] workers   [20] calls   [21] wake
-- ARGV  [1] lost incarnation   [2] run id of the server   [3] lease duration of the caller in ms   [4] most jobs a call
--       [5] crashes that bury a job   [6] ms within which they count   [7] most dead letters   [8] failure of a buried job
-- Returns {jobs moved, jobs still held, members buried}; {0, -1} while reclaiming is held back or the lease is alive;
--       {0, -2} where foreign hands have put something else in the place of [2], which is left as it is. The incarnation is
--       forgotten then, so that it keeps up no other, and jobs that it held are nowhere until an audit puts them back.
-- The first crash sends a job to the head of its list, the second and later ones to the suspects, who run alone.
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
local now = now_ms()
local most = tonumber(ARGV[4])
local lists = {c = KEYS[4], h = KEYS[5], d = KEYS[6], l = KEYS[7]}
local dead = {KEYS[10], KEYS[11], KEYS[12], KEYS[13], KEYS[9]}
local tombs = {KEYS[14], KEYS[15], KEYS[16], KEYS[17]}
local expiry = redis.call('ZSCORE', KEYS[1], ARGV[1])
-- A lane that is not there any more must not be made anew by the run id: then nobody could open it.
if not expiry or tonumber(expiry) > now or held_back(KEYS[18], now, ARGV[2], tonumber(ARGV[3])) then
  return {0, -1, {}}
end
local running, cancels = redis.call('TYPE', KEYS[2]).ok, redis.call('TYPE', KEYS[3]).ok
for i = 4, 8 do
  redis.call('LLEN', KEYS[i])
end
redis.call('ZCARD', KEYS[10])
for _, i in ipairs({9, 11, 12, 13, 16, 17, 19, 20}) do
  redis.call('HLEN', KEYS[i])
end
redis.call('SCARD', KEYS[14])
redis.call('SCARD', KEYS[15])
redis.call('LLEN', KEYS[21])

local function forget()
  redis.call('ZREM', KEYS[1], ARGV[1])
  if cancels == 'set' then
    redis.call('DEL', KEYS[3])
  end
  redis.call('HDEL', KEYS[19], ARGV[1])
  redis.call('HDEL', KEYS[20], ARGV[1])
end

if running ~= 'hash' and running ~= 'none' then
  forget()
  tally(KEYS[18], 'orphans', 1)
  return {0, -2, {}}
end
local fields = redis.call('HRANDFIELD', KEYS[2], most) or {}
local members, strangers = only_members(fields)
-- Hashes have no order, but what a call does must not depend on chance.
table.sort(members)
local again, buried = {}, {}
if strangers > 0 then
  for i = 1, #fields do
    if not is_member(fields[i]) then
      redis.call('HDEL', KEYS[2], fields[i])
    end
  end
  tally(KEYS[18], 'orphans', strangers)
end
for i = 1, #members do
  local member = members[i]
  local id = id_of(member)
  redis.call('HDEL', KEYS[2], member)
  local count = 1
  local before = redis.call('HGET', KEYS[9], id)
  if before then
    local crashes, at = string.match(before, '^(%d+):(%d+)$')
    if crashes and now - tonumber(at) < tonumber(ARGV[6]) then
      count = tonumber(crashes) + 1
    end
  end
  if count >= tonumber(ARGV[5]) then
    bury(dead, tombs, KEYS[18], now, member, ARGV[8], tonumber(ARGV[7]), 2 * most)
    buried[#buried + 1] = member
  else
    redis.call('HSET', KEYS[9], id, string.format('%d:%.0f', count, now))
    if count == 1 then
      again[#again + 1] = member
    else
      redis.call('LPUSH', KEYS[8], member)
    end
  end
end
put_at_head(lists, again)
local held = redis.call('HLEN', KEYS[2])
if held == 0 then
  forget()
end
if #members > 0 then
  tally(KEYS[18], 'reclaimed', #members)
  wake(KEYS[21], #members)
end
return {#members, held, buried}
