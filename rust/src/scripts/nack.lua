#!lua flags=allow-oom
-- nack: end attempts that failed, for jobs that this incarnation still holds.
--
-- KEYS  [1] running hash of the incarnation   [2] scheduled   [3] parked   [4] dead   [5] failures   [6] jobs   [7] history
--       [8] crashes   [9] [10] done sets   [11] [12] ended hashes   [13] meta   [14] wake   [15] recent
-- ARGV  [1] n   [2] most dead letters   [3] most dead letters trimmed   [4] most recent records   [5] ms that they are kept,
--       then for each job: member, lease call, verdict, time, history, failure, record
--       verdict `retry` (time = ms from now), `dead`, `log` (ended, not kept), `park` (time = ms at which it expires);
--       an empty history leaves the stored one; an empty record adds none
-- Returns one digit per job: 1 done, 0 lost.
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
local n = tonumber(ARGV[1])
local now = now_ms()
local dead = {KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]}
local tombs = {KEYS[9], KEYS[10], KEYS[11], KEYS[12]}
local earliest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
redis.call('HLEN', KEYS[1])
redis.call('ZCARD', KEYS[3])
redis.call('ZCARD', KEYS[4])
for i = 5, 8 do
  redis.call('HLEN', KEYS[i])
end
redis.call('SCARD', KEYS[9])
redis.call('SCARD', KEYS[10])
redis.call('HLEN', KEYS[11])
redis.call('HLEN', KEYS[12])
redis.call('HLEN', KEYS[13])
redis.call('LLEN', KEYS[14])
redis.call('XLEN', KEYS[15])

local out, records, first_due = {}, {}, nil
for i = 1, n do
  local at = 5 + (i - 1) * 7
  local member, verdict, time = ARGV[at + 1], ARGV[at + 3], tonumber(ARGV[at + 4])
  local id = id_of(member)
  if redis.call('HGET', KEYS[1], member) ~= ARGV[at + 2] then
    out[i] = '0'
  else
    out[i] = '1'
    redis.call('HDEL', KEYS[1], member)
    if ARGV[at + 5] ~= '' then
      redis.call('HSET', KEYS[7], id, ARGV[at + 5])
    end
    if ARGV[at + 7] ~= '' then
      records[#records + 1] = ARGV[at + 7]
    end
    if verdict == 'retry' then
      redis.call('ZADD', KEYS[2], now + time, member)
      tally(KEYS[13], 'retried', 1)
      if not first_due or now + time < first_due then
        first_due = now + time
      end
    elseif verdict == 'park' then
      redis.call('ZADD', KEYS[3], time, member)
      redis.call('HSET', KEYS[5], id, ARGV[at + 6])
      tally(KEYS[13], 'parked', 1)
    elseif verdict == 'dead' then
      bury(dead, tombs, KEYS[13], now, member, ARGV[at + 6], tonumber(ARGV[2]), tonumber(ARGV[3]))
    else
      redis.call('HDEL', KEYS[6], id)
      redis.call('HDEL', KEYS[7], id)
      redis.call('HDEL', KEYS[8], id)
      entomb(tombs, KEYS[13], id, 'l')
      tally(KEYS[13], 'logged', 1)
    end
  end
end
if #records > 0 then
  record(KEYS[15], KEYS[13], now, records, tonumber(ARGV[4]), tonumber(ARGV[5]))
end
if first_due and (not earliest or first_due < tonumber(earliest)) then
  wake(KEYS[14], 1)
end
return table.concat(out)
