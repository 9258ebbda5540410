#!lua flags=allow-oom
-- cancel: end a job that has not ended, wherever it is. A running one may already have had its effect.
--
-- KEYS  [1] jobs   [2] scheduled   [3] parked   [4] dead   [5] failures   [6] history   [7] crashes   [8] ghosts
--       [9] [10] done sets   [11] [12] ended hashes   [13] meta   [14] leases,
--       then the running hash and the cancels set of every incarnation named in ARGV
-- ARGV  [1] member, then the incarnations
-- Returns where the job was: pending, scheduled, parked or running (cancelled now); dead, ended or missing (nothing
--       done); `again` where an incarnation holds a lease that the caller did not name.
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
local member = ARGV[1]
local id = id_of(member)
local named = {}
for i = 2, #ARGV do
  named[ARGV[i]] = true
end
for _, incarnation in ipairs(redis.call('ZRANGE', KEYS[14], 0, -1)) do
  if not named[incarnation] then
    return 'again'
  end
end
local exists = redis.call('HEXISTS', KEYS[1], id)
local ended = redis.call('SISMEMBER', KEYS[9], id) + redis.call('SISMEMBER', KEYS[10], id)
local buried = redis.call('ZSCORE', KEYS[4], member)
local scheduled = redis.call('ZSCORE', KEYS[2], member)
local parked = redis.call('ZSCORE', KEYS[3], member)
for i = 5, 8 do
  redis.call('HLEN', KEYS[i])
end
redis.call('HLEN', KEYS[11])
redis.call('HLEN', KEYS[12])
redis.call('HLEN', KEYS[13])
local holder
for i = 15, #KEYS - CLOCK_KEYS, 2 do
  if redis.call('HEXISTS', KEYS[i], member) == 1 then
    holder = i
  end
  redis.call('SCARD', KEYS[i + 1])
end
if exists == 0 then
  return ended > 0 and 'ended' or 'missing'
end
if buried then
  return 'dead'
end

local where = 'pending'
if scheduled then
  where = 'scheduled'
  redis.call('ZREM', KEYS[2], member)
elseif parked then
  where = 'parked'
  redis.call('ZREM', KEYS[3], member)
elseif holder then
  where = 'running'
  redis.call('HDEL', KEYS[holder], member)
  redis.call('SADD', KEYS[holder + 1], member)
else
  -- Its list entry stays until a turn meets it: finding it would cost a walk over the list.
  if type(redis.pcall('HINCRBY', KEYS[8], member, 1)) ~= 'number' then
    redis.call('HSET', KEYS[8], member, 1)
    tally(KEYS[13], 'mended_number', 1)
  end
  tally(KEYS[13], 'ghosts', 1)
end
redis.call('HDEL', KEYS[1], id)
redis.call('HDEL', KEYS[5], id)
redis.call('HDEL', KEYS[6], id)
redis.call('HDEL', KEYS[7], id)
entomb({KEYS[9], KEYS[10], KEYS[11], KEYS[12]}, KEYS[13], id, 'c')
tally(KEYS[13], 'cancelled', 1)
return where
