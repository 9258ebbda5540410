#!lua flags=no-writes
-- find: where a job is, and what is known of it.
--
-- KEYS  [1] jobs   [2] scheduled   [3] parked   [4] dead   [5] failures   [6] history   [7] crashes   [8] [9] done sets
--       [10] [11] ended hashes   [12] leases, then the running hash of every incarnation named in ARGV
-- ARGV  [1] id, then the incarnations
-- Returns {where, time or -1, bytes, history, failure, crashes, incarnation, priority letter}; where is pending, scheduled,
--       parked, running, dead, completed, an `ended` letter, missing, or `again` where a lease is held that was not named.
--       Of a pending job only the bytes know the letter, which is empty then.
local id = ARGV[1]
local named = {}
for i = 2, #ARGV do
  named[ARGV[i]] = true
end
for _, incarnation in ipairs(redis.call('ZRANGE', KEYS[12], 0, -1)) do
  if not named[incarnation] then
    return {'again', -1}
  end
end
local bytes = redis.call('HGET', KEYS[1], id)
if not bytes then
  local how = redis.call('HGET', KEYS[10], id) or redis.call('HGET', KEYS[11], id)
  if how then
    return {how, -1}
  end
  if redis.call('SISMEMBER', KEYS[8], id) == 1 or redis.call('SISMEMBER', KEYS[9], id) == 1 then
    return {'completed', -1}
  end
  return {'missing', -1}
end
local members = {id .. 'c', id .. 'h', id .. 'd', id .. 'l'}
local where, time, holder, letter = 'pending', -1, '', ''
for _, place in ipairs({{'scheduled', KEYS[2]}, {'parked', KEYS[3]}, {'dead', KEYS[4]}}) do
  for i, score in ipairs(redis.call('ZMSCORE', place[2], unpack(members))) do
    if score then
      where, time, letter = place[1], math.floor(tonumber(score)), string.sub(members[i], 17)
    end
  end
end
for i = 2, #ARGV do
  for k, call in ipairs(redis.call('HMGET', KEYS[11 + i], unpack(members))) do
    if call then
      where, holder, letter = 'running', ARGV[i], string.sub(members[k], 17)
    end
  end
end
return {where, time, bytes, redis.call('HGET', KEYS[6], id) or '', redis.call('HGET', KEYS[5], id) or '',
        redis.call('HGET', KEYS[7], id) or '', holder, letter}
