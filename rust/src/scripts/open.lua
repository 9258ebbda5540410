#!lua flags=allow-oom
-- open: make sure that these keys are ours, and notice a restarted or replaced server.
--
-- KEYS  [1] meta   [2] jobs   [3] leases
-- ARGV  [1] marker (program and schema)   [2] run id of the server   [3] lease duration of the caller in ms
--       [4] how many shards the queue has for the caller   [5] what to do where meta has another number: `refuse`, or
--       `look` whether there is a job or a worker, or `take` the caller's number where there is none,
--       then all other fields of meta
-- Returns the marker found: equal to ARGV[1], or what another program or another schema has put there; or `shards N`
--       where the queue has N shards, and is not to be taken over or holds a job or a worker. Meta from before the
--       number was kept there gets the caller's. A hash without a marker that has no fields but ours is ours: it was
--       deleted, and whoever runs has counted into it since.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then
  return 'a key of type ' .. kind
end

-- Whether a hash has been written by our scripts alone.
local function is_ours()
  local ours = {}
  for i = 6, #ARGV do
    ours[ARGV[i]] = true
  end
  if redis.call('HLEN', KEYS[1]) > #ARGV - 5 then
    return false
  end
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if not ours[field] then
      return false
    end
  end
  return true
end

local known = redis.call('HMGET', KEYS[1], 'marker', 'shards')
local found, shards = known[1], whole(known[2])
if not found then
  if kind == 'none' then
    redis.call('HSET', KEYS[1], 'marker', ARGV[1], 'shards', ARGV[4], 'run_id', ARGV[2], 'epoch', '0', 'epoch_at', now_ms())
    return ARGV[1]
  end
  if not is_ours() then
    return 'a hash without our marker'
  end
  redis.call('HSET', KEYS[1], 'marker', ARGV[1])
  redis.call('HSETNX', KEYS[1], 'epoch', '0')
  redis.call('HSETNX', KEYS[1], 'epoch_at', now_ms())
  found = ARGV[1]
end
if found ~= ARGV[1] then
  return found
end
local now = now_ms()
-- No queue has had more shards than 256: that is rubbish.
if shards and shards >= 1 and shards <= 256 and shards ~= tonumber(ARGV[4]) then
  if ARGV[5] == 'refuse' or redis.call('HLEN', KEYS[2]) + redis.call('ZCOUNT', KEYS[3], '(' .. now, '+inf') > 0 then
    return 'shards ' .. shards
  end
  if ARGV[5] == 'look' then
    return found
  end
end
if known[2] ~= ARGV[4] then
  redis.call('HSET', KEYS[1], 'shards', ARGV[4])
end
held_back(KEYS[1], now, ARGV[2], tonumber(ARGV[3]))
return found
