#!lua flags=allow-oom
-- remove: take dead letters away for good; their ids stay known for the dedupe window.
--
-- KEYS  [1] dead   [2] failures   [3] jobs   [4] history   [5] crashes   [6] [7] done sets   [8] [9] ended hashes   [10] meta
-- ARGV  [1] n, then for each: member, time of death in ms
-- Returns one digit per job: 1 removed, 0 not dead any more or died again since.
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
redis.call('ZCARD', KEYS[1])
for _, i in ipairs({2, 3, 4, 5, 8, 9, 10}) do
  redis.call('HLEN', KEYS[i])
end
redis.call('SCARD', KEYS[6])
redis.call('SCARD', KEYS[7])
local out, count = {}, 0
for i = 1, tonumber(ARGV[1]) do
  local at = 1 + (i - 1) * 2
  local member = ARGV[at + 1]
  local died = redis.call('ZSCORE', KEYS[1], member)
  out[i] = '0'
  if died and tonumber(died) == tonumber(ARGV[at + 2]) then
    local id = id_of(member)
    redis.call('ZREM', KEYS[1], member)
    for k = 2, 5 do
      redis.call('HDEL', KEYS[k], id)
    end
    entomb({KEYS[6], KEYS[7], KEYS[8], KEYS[9]}, KEYS[10], id, 'r')
    out[i] = '1'
    count = count + 1
  end
end
if count > 0 then
  tally(KEYS[10], 'removed', count)
end
return table.concat(out)
