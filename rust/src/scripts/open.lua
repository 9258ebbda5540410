#!lua flags=allow-oom
-- open: make sure that these keys are ours, and notice a restarted or replaced server.
--
-- KEYS  [1] meta
-- ARGV  [1] marker (program and schema)   [2] run id of the server   [3] lease duration of the caller in ms
-- Returns the marker found: equal to ARGV[1], or what another program or another schema has put there.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then
  return 'a key of type ' .. kind
end
local found = redis.call('HGET', KEYS[1], 'marker')
if not found then
  if kind == 'hash' then
    return 'a hash without our marker'
  end
  redis.call('HSET', KEYS[1], 'marker', ARGV[1], 'run_id', ARGV[2], 'epoch', '0', 'epoch_at', now_ms())
  return ARGV[1]
end
if found == ARGV[1] then
  held_back(KEYS[1], now_ms(), ARGV[2], tonumber(ARGV[3]))
end
return found
