#!lua flags=allow-oom
-- redact: put an entry of the finished jobs' records in place of another one that holds records which must go.
--
-- KEYS  [1] recent   [2] meta
-- ARGV  [1] id of the entry   [2] its records as they were read   [3] number of the records that stay   [4] these records
-- Returns 1 where it was done, 0 where the entry is not as it was read.
-- The entry that stays goes to the end of the stream under the time that it had.
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
local total = whole(redis.call('HGET', KEYS[2], 'recent')) or 0
if not found or found[2][6] ~= ARGV[2] then
  return 0
end
local before, stay = whole(found[2][2]) or 0, tonumber(ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[1])
if stay > 0 then
  redis.call('XADD', KEYS[1], '*', 'n', stay, 'at', found[2][4], 'r', ARGV[4])
end
redis.call('HSET', KEYS[2], 'recent', math.max(total - before + stay, 0))
return 1
