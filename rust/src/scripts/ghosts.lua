#!lua flags=allow-oom
-- ghosts: let go of marks of cancelled jobs that no entry of a list is left for, and count the marks anew.
--
-- KEYS  [1]..[4] pending c h d l   [5] suspects   [6] ghosts   [7] meta
-- ARGV  [1] most entries of a list that are looked through, and most marks that are counted, then the marks to look at
-- Returns {marks put right, whether the count of all was wrong, what could not be looked at since there is too much}.
local most = tonumber(ARGV[1])
local lists = {c = KEYS[1], h = KEYS[2], d = KEYS[3], l = KEYS[4]}
local longest = 0
for i = 1, 5 do
  longest = math.max(longest, redis.call('LLEN', KEYS[i]))
end
local marks = redis.call('HLEN', KEYS[6])
local counted = redis.call('HGET', KEYS[7], 'ghosts')
local right, wrong, postponed = 0, 0, 0
for i = 2, #ARGV do
  local mark = ARGV[i]
  local count = redis.call('HGET', KEYS[6], mark)
  if count and is_member(mark) and longest > most then
    postponed = postponed + 1
  elseif count then
    local entries = is_member(mark) and entries_of(mark, lists, KEYS[5]) or 0
    -- What is no number hides one entry.
    local left = math.min(whole(count) or 1, entries)
    if left <= 0 then
      redis.call('HDEL', KEYS[6], mark)
      right = right + 1
    elseif tostring(left) ~= count then
      redis.call('HSET', KEYS[6], mark, left)
      right = right + 1
    end
  end
end
if marks > most then
  postponed = postponed + 1
else
  local sum = 0
  for _, count in ipairs(redis.call('HVALS', KEYS[6])) do
    sum = sum + (whole(count) or 1)
  end
  if (whole(counted) or 0) ~= sum then
    redis.call('HSET', KEYS[7], 'ghosts', sum)
    wrong = 1
  end
end
tally(KEYS[7], 'mended_ghosts', right + wrong)
return {right, wrong, postponed}
