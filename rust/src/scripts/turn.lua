#!lua flags=allow-oom
-- turn: promote what is due, name lost incarnations, lease what is pending.
--
-- KEYS  [1] scheduled   [2] leases   [3] running hash of the incarnation   [4]..[7] pending c h d l   [8] jobs
--       [9] history   [10] ghosts   [11] meta   [12] wake   [13] calls   [14] suspects
-- ARGV  [1] incarnation   [2] number of this lease call, growing   [3] most jobs to lease   [4] most jobs to promote
--       [5] most bytes to return (one job is always returned)   [6] `pending` or `suspects`: where to lease from
-- Returns {status, now, next due or -1, jobs left pending, suspects waiting, lost incarnations, members, bytes, histories};
--       status 1 leased (maybe nothing), 0 no lease, 2 the lease has run out and nothing is leased.
-- Asked again with the number of its last call, it returns the jobs of that call, and drops what was put among them or
-- has lost its bytes since. A number that no call can have had is forgotten, and counted under `mended_number`.
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
local call, want, batch, max_bytes = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local lists = {c = KEYS[4], h = KEYS[5], d = KEYS[6], l = KEYS[7], s = KEYS[14]}
-- How often each priority is served: 8 : 4 : 2 : 1, spread evenly, so that low still moves under a flood of high.
local TURNS = 'chcdchclchcdchc'
-- Job bytes are read in steps of this many, so that one large job does not load a whole batch of large jobs.
local STEP = 32
-- A last call that is so far ahead of this one is rubbish: no request is on its way for as long as that many others.
local FAR_AHEAD = 10000

local now = now_ms()
local lease = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not lease then
  return {0, now}
end
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, batch)
local lost, strangers = {}, {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE', 'LIMIT', 0, 4)) do
  local list = string.find(name, '[^!-~]') and strangers or lost
  list[#list + 1] = name
end
local left = {}
for letter, list in pairs(lists) do
  left[letter] = redis.call('LLEN', list)
end
local ghosts = redis.call('HLEN', KEYS[10])
local told = redis.call('HGET', KEYS[13], ARGV[1])
local last = whole(told) or -1
local rubbish = told and (last < 0 or last > call + FAR_AHEAD)
local cursor = whole(redis.call('HGET', KEYS[11], 'cursor')) or 0
redis.call('HLEN', KEYS[3])
redis.call('HLEN', KEYS[8])
redis.call('HLEN', KEYS[9])
redis.call('LLEN', KEYS[12])

if rubbish then
  -- What is held tells whether this very call was made before.
  last = -1
  redis.call('HDEL', KEYS[13], ARGV[1])
  for _, held in ipairs(redis.call('HVALS', KEYS[3])) do
    if held == ARGV[2] then
      last = call
      redis.call('HSET', KEYS[13], ARGV[1], ARGV[2])
      break
    end
  end
  tally(KEYS[11], 'mended_number', 1)
end
local orphans = #strangers
if #strangers > 0 then
  redis.call('ZREM', KEYS[2], unpack(strangers))
end
if #due > 0 then
  redis.call('ZREM', KEYS[1], unpack(due))
  local dropped
  due, dropped = only_members(due)
  orphans = orphans + dropped
  put_at_head(lists, due)
  for i = 1, #due do
    local letter = string.sub(due[i], 17)
    left[letter] = left[letter] + 1
  end
end

local members, bytes, histories = {}, {}, {}
local size = 0

-- Moves popped members into the result; what would exceed the bound on bytes goes back where it was.
local function lease_members(popped, list)
  local kept = {}
  for i = 1, #popped do
    local count = ghosts > 0 and redis.call('HGET', KEYS[10], popped[i])
    if count then
      if (whole(count) or 1) > 1 then
        redis.call('HINCRBY', KEYS[10], popped[i], -1)
      else
        redis.call('HDEL', KEYS[10], popped[i])
        ghosts = ghosts - 1
      end
      if ghosts == 0 then
        -- Whatever was lost of the counter: there is none left.
        redis.call('HSET', KEYS[11], 'ghosts', 0)
      else
        tally(KEYS[11], 'ghosts', -1)
      end
    else
      kept[#kept + 1] = popped[i]
    end
  end
  if #kept == 0 then
    return true
  end
  local ids = {}
  for i = 1, #kept do
    ids[i] = id_of(kept[i])
  end
  local found = redis.call('HMGET', KEYS[8], unpack(ids))
  local past = redis.call('HMGET', KEYS[9], unpack(ids))
  local run = {}
  for i = 1, #kept do
    if not found[i] or not is_member(kept[i]) then
      -- An entry without bytes belongs to no job: only foreign hands can have made it.
      orphans = orphans + 1
    elseif #members > 0 and size + #found[i] > max_bytes then
      for j = #kept, i, -1 do
        redis.call('RPUSH', list, kept[j])
      end
      if #run > 0 then
        redis.call('HSET', KEYS[3], unpack(run))
      end
      return false
    else
      size = size + #found[i]
      members[#members + 1] = kept[i]
      bytes[#bytes + 1] = found[i]
      histories[#histories + 1] = past[i]
      run[#run + 1] = kept[i]
      run[#run + 1] = ARGV[2]
    end
  end
  if #run > 0 then
    redis.call('HSET', KEYS[3], unpack(run))
  end
  return true
end

-- Takes up to `quota` jobs of one list; dropped ghosts make it look further, but never without bound.
local function lease_from(letter, quota)
  local target, looked = #members + quota, 0
  while #members < target and looked < 2 * batch do
    local popped = redis.call('RPOP', lists[letter], math.min(STEP, target - #members))
    if not popped then
      return true
    end
    looked = looked + #popped
    if not lease_members(popped, lists[letter]) then
      return false
    end
  end
  return true
end

local status = 1
if call == last then
  local held = redis.call('HGETALL', KEYS[3])
  for i = 1, #held, 2 do
    if held[i + 1] == ARGV[2] then
      local found = is_member(held[i]) and redis.call('HGET', KEYS[8], id_of(held[i]))
      if found then
        members[#members + 1] = held[i]
        bytes[#members] = found
        histories[#members] = redis.call('HGET', KEYS[9], id_of(held[i]))
      else
        redis.call('HDEL', KEYS[3], held[i])
        orphans = orphans + 1
      end
    end
  end
elseif call < last or want == 0 then
  want = 0
elseif tonumber(lease) <= now then
  status = 2
elseif ARGV[6] == 'suspects' then
  lease_from('s', math.min(want, left.s))
else
  local quota = {c = 0, h = 0, d = 0, l = 0}
  local open = left.c + left.h + left.d + left.l
  local position = cursor
  local given = 0
  for _, letter in ipairs({'c', 'h', 'd', 'l'}) do
    if left[letter] == open then
      given = math.min(want, open)
      quota[letter] = given
    end
  end
  if given == 0 then
    want = math.min(want, open)
    while given < want do
      local letter = string.sub(TURNS, position % 15 + 1, position % 15 + 1)
      position = position + 1
      if quota[letter] < left[letter] then
        quota[letter] = quota[letter] + 1
        given = given + 1
      end
    end
  end
  for _, letter in ipairs({'c', 'h', 'd', 'l'}) do
    if quota[letter] > 0 and not lease_from(letter, quota[letter]) then
      break
    end
  end
  if position ~= cursor then
    redis.call('HSET', KEYS[11], 'cursor', position % 15)
  end
end
if #members > 0 and call > last then
  redis.call('HSET', KEYS[13], ARGV[1], ARGV[2])
end

if orphans > 0 then
  tally(KEYS[11], 'orphans', orphans)
end
local waiting = 0
for _, letter in ipairs({'c', 'h', 'd', 'l'}) do
  waiting = waiting + redis.call('LLEN', lists[letter])
end
if waiting > 0 then
  wake(KEYS[12], 1)
end
local next_due = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return {status, now, math.floor(tonumber(next_due or '-1')), waiting, redis.call('LLEN', lists.s), lost, members, bytes, histories}
