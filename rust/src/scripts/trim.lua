#!lua flags=allow-oom
-- trim: let the oldest dead letters go where there are too many of them or they are too old, and count them as they leave.
-- The records of finished jobs go the same way. A burial and a record do some of it by themselves; this is for what
-- outlives its time while nothing ends.
--
-- KEYS  [1] dead   [2] failures   [3] jobs   [4] history   [5] crashes   [6] [7] done sets   [8] [9] ended hashes   [10] meta
--       [11] recent
-- ARGV  [1] most dead letters   [2] ms that one is kept   [3] most that go in one call
--       [4] most recent records   [5] ms that they are kept
-- Returns how many dead letters went.
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
local now = now_ms()
local bound = tonumber(ARGV[3])
local many = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[1])
local old = redis.call('ZRANGE', KEYS[1], '-inf', now - tonumber(ARGV[2]), 'BYSCORE', 'LIMIT', 0, bound)
for _, i in ipairs({2, 3, 4, 5, 8, 9, 10}) do
  redis.call('HLEN', KEYS[i])
end
redis.call('SCARD', KEYS[6])
redis.call('SCARD', KEYS[7])
local records = redis.call('XLEN', KEYS[11])
local looks = 0
while records > 0 and looks < bound do
  record(KEYS[11], KEYS[10], now, {}, tonumber(ARGV[4]), tonumber(ARGV[5]))
  local left = redis.call('XLEN', KEYS[11])
  if left == records then
    break
  end
  records, looks = left, looks + 1
end
local gone = math.min(math.max(many, #old), bound)
if gone <= 0 then
  return 0
end
let_go({KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]}, {KEYS[6], KEYS[7], KEYS[8], KEYS[9]}, KEYS[10], gone)
if #old > 0 then
  tally(KEYS[10], 'trimmed_by_age', #old)
end
return gone
