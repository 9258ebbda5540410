#!lua flags=no-writes
-- letters: a page of the dead letters, the newest first, with all that is kept of each.
--
-- KEYS  [1] dead   [2] jobs   [3] failures   [4] history
-- ARGV  [1] time of death in ms and   [2] entry at which the page before ended; two empty texts begin with the newest
--       [3] most letters   [4] most bytes (one letter is always returned)
-- Returns {1 where older ones follow else 0, for each letter: entry, time of death, bytes, failure, history}.
--       Of two that died in the same ms the one with the greater entry comes first. Where the entry of [2] has left
--       meanwhile the page begins behind its place, found in a number of looks that is the logarithm of all letters.
local most, max_bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local all = redis.call('ZCARD', KEYS[1])

-- Bytes as the sorted set has them; the comparison of Lua goes by the locale.
local function is_less(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end

local first = 0
if ARGV[1] ~= '' then
  first = redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[1], '+inf')
  local beyond = redis.call('ZCOUNT', KEYS[1], ARGV[1], '+inf')
  while first < beyond do
    local middle = math.floor((first + beyond) / 2)
    if is_less(redis.call('ZRANGE', KEYS[1], middle, middle, 'REV')[1], ARGV[2]) then
      beyond = middle
    else
      first = middle + 1
    end
  end
end

local out, size = {0}, 0
local entries = redis.call('ZRANGE', KEYS[1], first, first + most - 1, 'REV', 'WITHSCORES')
for i = 1, #entries, 2 do
  local id = id_of(entries[i])
  local bytes = redis.call('HGET', KEYS[2], id) or ''
  if i > 1 and size + #bytes > max_bytes then
    break
  end
  size = size + #bytes
  first = first + 1
  out[#out + 1] = entries[i]
  out[#out + 1] = entries[i + 1]
  out[#out + 1] = bytes
  out[#out + 1] = redis.call('HGET', KEYS[3], id) or ''
  out[#out + 1] = redis.call('HGET', KEYS[4], id) or ''
end
if first < all then
  out[1] = 1
end
return out
