#!lua flags=allow-oom
-- ack: finish jobs that this incarnation still holds.
--
-- KEYS  [1] running hash of the incarnation   [2] jobs   [3] history   [4] crashes   [5] [6] done sets
--       [7] [8] ended hashes   [9] meta   [10] leases   [11] recent
-- ARGV  [1] incarnation   [2] n   [3] most recent records kept   [4] ms that they are kept,
--       then n members, their n lease calls, their n records
-- Returns one digit per member: 1 acked, 2 acked before (same lease), 0 lost.
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
local n = tonumber(ARGV[2])
local held = redis.call('HMGET', KEYS[1], unpack(ARGV, 5, 4 + n))
local known = redis.call('HMGET', KEYS[9], 'epoch')
redis.call('HLEN', KEYS[2])
redis.call('HLEN', KEYS[3])
redis.call('HLEN', KEYS[4])
redis.call('SCARD', KEYS[5])
redis.call('SCARD', KEYS[6])
redis.call('XLEN', KEYS[11])
local alive = redis.call('ZSCORE', KEYS[10], ARGV[1])
local out, members, ids, records, seen = {}, {}, {}, {}, {}
for i = 1, n do
  local member = ARGV[4 + i]
  if held[i] == ARGV[4 + n + i] and not seen[member] then
    seen[member] = true
    members[#members + 1] = member
    ids[#ids + 1] = id_of(member)
    records[#records + 1] = ARGV[4 + 2 * n + i]
    out[i] = '1'
  else
    out[i] = '0'
    local id = id_of(member)
    if seen[member] or (alive and not held[i]
        and (redis.call('SISMEMBER', KEYS[5], id) == 1 or redis.call('SISMEMBER', KEYS[6], id) == 1)
        and redis.call('HEXISTS', KEYS[7], id) == 0 and redis.call('HEXISTS', KEYS[8], id) == 0) then
      out[i] = '2'
    end
  end
end
if #members > 0 then
  redis.call('HDEL', KEYS[1], unpack(members))
  redis.call('HDEL', KEYS[2], unpack(ids))
  redis.call('HDEL', KEYS[3], unpack(ids))
  redis.call('HDEL', KEYS[4], unpack(ids))
  redis.call('SADD', KEYS[5 + epoch_of(known[1])], unpack(ids))
  tally(KEYS[9], 'completed', #members)
  record(KEYS[11], KEYS[9], now_ms(), records, tonumber(ARGV[3]), tonumber(ARGV[4]))
end
return table.concat(out)
