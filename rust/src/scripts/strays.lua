#!lua flags=allow-oom
-- strays: look at a page of a sorted set or a running hash, and take out what belongs to no job.
--
-- KEYS  [1] jobs   [2] failures   [3] history   [4] crashes   [5] meta   [6] the sorted set or hash
-- ARGV  [1] cursor, first 0   [2] about how many members   [3] `ranked` or `held`: which of the two it is
-- Returns {next cursor, how many were taken out}.
-- Steps move bytes and places together: a member without bytes was made, or left, by foreign hands.
local ranked = ARGV[3] == 'ranked'
local page
if ranked then
  page = redis.call('ZSCAN', KEYS[6], ARGV[1], 'COUNT', ARGV[2])
else
  page = redis.call('HSCAN', KEYS[6], ARGV[1], 'COUNT', ARGV[2])
end
for i = 2, 5 do
  redis.call('HLEN', KEYS[i])
end
local strays = {}
for i = 1, #page[2], 2 do
  local member = page[2][i]
  if not is_member(member) or redis.call('HEXISTS', KEYS[1], id_of(member)) == 0 then
    strays[#strays + 1] = member
  end
end
for _, member in ipairs(strays) do
  if ranked then
    redis.call('ZREM', KEYS[6], member)
  else
    redis.call('HDEL', KEYS[6], member)
  end
  if is_member(member) then
    for i = 2, 4 do
      redis.call('HDEL', KEYS[i], id_of(member))
    end
  end
end
tally(KEYS[5], 'orphans', #strays)
return {page[1], #strays}
