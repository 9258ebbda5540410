#!lua flags=allow-oom
-- replay: send dead letters back, with a fresh budget of attempts and no crashes counted.
--
-- KEYS  [1] dead   [2] failures   [3] jobs   [4] history   [5] crashes   [6]..[9] pending c h d l   [10] meta   [11] wake
-- ARGV  [1] n, then for each: member, time of death in ms, history from now on
-- Returns one digit per job: 1 sent back, 0 not dead any more or died again since (another operator was first).
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
local lists = {c = KEYS[6], h = KEYS[7], d = KEYS[8], l = KEYS[9]}
redis.call('ZCARD', KEYS[1])
for i = 2, 5 do
  redis.call('HLEN', KEYS[i])
end
for i = 6, 9 do
  redis.call('LLEN', KEYS[i])
end
redis.call('HLEN', KEYS[10])
redis.call('LLEN', KEYS[11])
local out, count = {}, 0
for i = 1, tonumber(ARGV[1]) do
  local at = 1 + (i - 1) * 3
  local member = ARGV[at + 1]
  local died = redis.call('ZSCORE', KEYS[1], member)
  out[i] = '0'
  if died and tonumber(died) == tonumber(ARGV[at + 2]) then
    local id = id_of(member)
    redis.call('ZREM', KEYS[1], member)
    redis.call('HDEL', KEYS[2], id)
    redis.call('HDEL', KEYS[5], id)
    redis.call('HSET', KEYS[4], id, ARGV[at + 3])
    redis.call('LPUSH', lists[string.sub(member, 17)], member)
    out[i] = '1'
    count = count + 1
  end
end
if count > 0 then
  tally(KEYS[10], 'replayed', count)
  wake(KEYS[11], count)
end
return table.concat(out)
