#!lua flags=allow-oom
-- unpark: move parked jobs on, to their list where a worker knows them now, to the dead letters where their time is up.
--
-- KEYS  [1] parked   [2] pending c   [3] pending h   [4] pending d   [5] pending l   [6] dead   [7] failures   [8] jobs
--       [9] history   [10] crashes   [11] [12] done sets   [13] [14] ended hashes   [15] meta   [16] wake
-- ARGV  [1] n   [2] `pending` or `dead`   [3] failure of a buried job   [4] most dead letters   [5] most trimmed, then n members
-- Returns one digit per job: 1 moved, 0 not parked any more, or not expired yet.
-- Keeps: an id is in exactly one of pending, scheduled, running, suspects, parked, dead, done.
local now = now_ms()
local lists = {c = KEYS[2], h = KEYS[3], d = KEYS[4], l = KEYS[5]}
local dead = {KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]}
local tombs = {KEYS[11], KEYS[12], KEYS[13], KEYS[14]}
redis.call('ZCARD', KEYS[1])
redis.call('ZCARD', KEYS[6])
for i = 2, 5 do
  redis.call('LLEN', KEYS[i])
end
for _, i in ipairs({7, 8, 9, 10, 13, 14, 15}) do
  redis.call('HLEN', KEYS[i])
end
redis.call('SCARD', KEYS[11])
redis.call('SCARD', KEYS[12])
redis.call('LLEN', KEYS[16])
local out, woken = {}, {}
for i = 1, tonumber(ARGV[1]) do
  local member = ARGV[5 + i]
  local expires = redis.call('ZSCORE', KEYS[1], member)
  out[i] = '0'
  if expires and (ARGV[2] == 'pending' or tonumber(expires) <= now) then
    redis.call('ZREM', KEYS[1], member)
    out[i] = '1'
    if ARGV[2] == 'pending' then
      redis.call('HDEL', KEYS[7], id_of(member))
      woken[#woken + 1] = member
    else
      bury(dead, tombs, KEYS[15], now, member, ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]))
    end
  end
end
if #woken > 0 then
  put_at_head(lists, woken)
  tally(KEYS[15], 'unparked', #woken)
  wake(KEYS[16], #woken)
end
return table.concat(out)
