#!lua flags=allow-oom
-- erase: take everything that is kept of one job away, wherever it is, if its bytes are still those that were judged.
--
-- KEYS  [1] jobs   [2] scheduled   [3] parked   [4] dead   [5] failures   [6] history   [7] crashes   [8] ghosts
--       [9] [10] done sets   [11] [12] ended hashes   [13] meta   [14] leases,
--       then the running hash and the cancels set of every incarnation named in ARGV
-- ARGV  [1] id   [2] SHA-1 of its bytes   [3] its priority letter, or nothing where the bytes do not say
--       [4] what takes the place of a pending job's bytes whose letter is not known, then the incarnations
-- Returns where the job was: pending, suspects, scheduled, parked, dead or running, where it is ended now as if cancelled,
--       a dead letter as if removed; `blanked` for a pending job without a letter, which keeps its place with other bytes;
--       gone where these bytes are not there any more; `again` where an incarnation has a lease that was not named.
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
local id = ARGV[1]
local named = {}
for i = 5, #ARGV do
  named[ARGV[i]] = true
end
for _, incarnation in ipairs(redis.call('ZRANGE', KEYS[14], 0, -1)) do
  if not named[incarnation] then
    return 'again'
  end
end
local bytes = redis.call('HGET', KEYS[1], id)
local members = {id .. 'c', id .. 'h', id .. 'd', id .. 'l'}
local where, at, member
for i, place in ipairs({'scheduled', 'parked', 'dead'}) do
  for k, score in ipairs(redis.call('ZMSCORE', KEYS[1 + i], unpack(members))) do
    if score then
      where, at, member = place, 1 + i, members[k]
    end
  end
end
for i = 15, #KEYS - CLOCK_KEYS, 2 do
  for k, call in ipairs(redis.call('HMGET', KEYS[i], unpack(members))) do
    if call then
      where, at, member = 'running', i, members[k]
    end
  end
  redis.call('SCARD', KEYS[i + 1])
end
local crashes = redis.call('HGET', KEYS[7], id)
for _, i in ipairs({5, 6, 8, 11, 12, 13}) do
  redis.call('HLEN', KEYS[i])
end
redis.call('SCARD', KEYS[9])
redis.call('SCARD', KEYS[10])
if not bytes or redis.sha1hex(bytes) ~= ARGV[2] then
  return 'gone'
end

if not where and ARGV[3] == '' then
  -- Its entry is on one of five lists, and a worker will find it there and see that the bytes are no job.
  redis.call('HSET', KEYS[1], id, ARGV[4])
  redis.call('HDEL', KEYS[5], id)
  redis.call('HDEL', KEYS[6], id)
  return 'blanked'
end
if not where then
  -- Its list entry stays until a turn meets it, as that of a cancelled job. Who has crashed twice is a suspect.
  local count = crashes and tonumber(string.match(crashes, '^(%d+):'))
  where = count and count > 1 and 'suspects' or 'pending'
  if type(redis.pcall('HINCRBY', KEYS[8], id .. ARGV[3], 1)) ~= 'number' then
    redis.call('HSET', KEYS[8], id .. ARGV[3], 1)
  end
  tally(KEYS[13], 'ghosts', 1)
elseif where == 'running' then
  redis.call('HDEL', KEYS[at], member)
  redis.call('SADD', KEYS[at + 1], member)
else
  redis.call('ZREM', KEYS[at], member)
end
for _, i in ipairs({1, 5, 6, 7}) do
  redis.call('HDEL', KEYS[i], id)
end
entomb({KEYS[9], KEYS[10], KEYS[11], KEYS[12]}, KEYS[13], id, where == 'dead' and 'r' or 'c')
tally(KEYS[13], where == 'dead' and 'removed' or 'cancelled', 1)
tally(KEYS[13], 'erased', 1)
return where
