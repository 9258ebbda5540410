#!lua flags=no-writes
-- unplaced: a page of jobs, and in how many of scheduled, parked, dead and running they are.
--
-- KEYS  [1] jobs   [2] scheduled   [3] parked   [4] dead   [5] leases, then the running hash of every incarnation named
-- ARGV  [1] cursor, first 0   [2] about how many jobs, then the incarnations
-- Returns {next cursor, ids in none of them, ids in one, ids in several}; {'again'} where a lease is held that was not named.
local named = {}
for i = 3, #ARGV do
  named[ARGV[i]] = true
end
for _, incarnation in ipairs(redis.call('ZRANGE', KEYS[5], 0, -1)) do
  if not named[incarnation] then
    return {'again'}
  end
end
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local none, one, several = {}, {}, {}
for i = 1, #page[2], 2 do
  local id = page[2][i]
  if #id == 16 then
    local taken = places_of(id, {KEYS[2], KEYS[3], KEYS[4]}, 6)
    local ids = #taken == 0 and none or #taken == 1 and one or several
    ids[#ids + 1] = id
  end
end
return {page[1], none, one, several}
