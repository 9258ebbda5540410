#!lua
-- enqueue: store new jobs, each once. No allow-oom: a full memory refuses the whole call before it starts.
--
-- KEYS  [1] jobs   [2] [3] done sets   [4]..[7] pending c h d l   [8] scheduled   [9] wake   [10] meta
--       [11] suspects
-- ARGV  [1] n   [2] bound on pending and on scheduled jobs, 0 = none   [3] n priority letters in one string,
--       then n ids, n due times (ms; `0` = now, `+ms` = after that long), n job byte strings, then how many shards the
--       queue has for the caller
-- A call that would go beyond a bound is refused whole. Entries of cancelled jobs, which a worker drops when it meets
-- them, do not count, unless they are more than the bound themselves: lists must not grow where no worker is.
-- Returns n digits, 1 stored and 0 known already; or `full`, or `unopened` where meta has no marker or another
-- number of shards.
-- Keeps: an id is in at most one of pending, scheduled, running, suspects, parked, dead, done.
local n = tonumber(ARGV[1])
local bound = tonumber(ARGV[2])
local letters = ARGV[3]
local lists = {c = KEYS[4], h = KEYS[5], d = KEYS[6], l = KEYS[7]}
local now = now_ms()

local known = redis.call('HMGET', KEYS[10], 'marker', 'shards')
if not known[1] or (known[2] and known[2] ~= ARGV[#ARGV]) then
  return 'unopened'
end
local ended = redis.call('SMISMEMBER', KEYS[2], unpack(ARGV, 4, 3 + n))
local ended_before = redis.call('SMISMEMBER', KEYS[3], unpack(ARGV, 4, 3 + n))
local entries = redis.call('LLEN', KEYS[11])
for i = 4, 7 do
  entries = entries + redis.call('LLEN', KEYS[i])
end
local ghosts = math.min(math.max(whole(redis.call('HGET', KEYS[10], 'ghosts')) or 0, 0), bound)
local scheduled = redis.call('ZCARD', KEYS[8])
local earliest = redis.call('ZRANGE', KEYS[8], 0, 0, 'WITHSCORES')[2]
redis.call('LLEN', KEYS[9])
redis.call('HLEN', KEYS[1])

-- When job i is due, in ms.
local function due_at(i)
  local due = ARGV[3 + n + i]
  return tonumber(due) + (string.sub(due, 1, 1) == '+' and now or 0)
end

if bound > 0 and (entries - ghosts + n > bound or scheduled + n > bound) then
  local ready, later, seen = 0, 0, {}
  for i = 1, n do
    local id = ARGV[3 + i]
    if not seen[id] and ended[i] == 0 and ended_before[i] == 0 and redis.call('HEXISTS', KEYS[1], id) == 0 then
      seen[id] = true
      if due_at(i) <= now then
        ready = ready + 1
      else
        later = later + 1
      end
    end
  end
  if (ready > 0 and entries - ghosts + ready > bound) or (later > 0 and scheduled + later > bound) then
    return 'full'
  end
end

local out, stored, ready, later = {}, 0, {c = {}, h = {}, d = {}, l = {}}, {}
local first_due
for i = 1, n do
  local id = ARGV[3 + i]
  if ended[i] == 0 and ended_before[i] == 0 and redis.call('HSETNX', KEYS[1], id, ARGV[3 + 2 * n + i]) == 1 then
    stored = stored + 1
    out[i] = '1'
    local letter = string.sub(letters, i, i)
    local at = due_at(i)
    if at <= now then
      local list = ready[letter]
      list[#list + 1] = id .. letter
    else
      later[#later + 1] = at
      later[#later + 1] = id .. letter
      if not first_due or at < first_due then
        first_due = at
      end
    end
  else
    out[i] = '0'
  end
end
if stored == 0 then
  return table.concat(out)
end
local tokens = 0
for letter, members in pairs(ready) do
  if #members > 0 then
    redis.call('LPUSH', lists[letter], unpack(members))
    tokens = tokens + #members
  end
end
if #later > 0 then
  redis.call('ZADD', KEYS[8], unpack(later))
  if not earliest or first_due < tonumber(earliest) then
    tokens = tokens + 1
  end
end
if tokens > 0 then
  wake(KEYS[9], tokens)
end
tally(KEYS[10], 'enqueued', stored)
return table.concat(out)
