-- prelude: what several scripts share. It is put behind the first line of every script.
--
-- A member is a 16-byte job id and one priority letter (c, h, d, l); sets of ids leave the letter out.

-- How many idle workers one call may wake; they wake each other from there.
local MAX_TOKENS = 4

-- No hold lasts longer than a day, whatever the fields say.
local MAX_HOLD_MS = 86400000

-- The longest lease that a worker can be set to.
local MAX_LEASE_MS = 3600000

local function id_of(member)
  return string.sub(member, 1, 16)
end

-- Whether an entry can be one of ours. What foreign hands have put in is dropped, never moved on: an error in the
-- middle of a script would leave the jobs beside it nowhere.
local function is_member(entry)
  return #entry == 17 and string.find('chdl', string.sub(entry, 17), 1, true) ~= nil
end

-- Splits entries into members and the number of those that are none.
local function only_members(entries)
  local members = {}
  for i = 1, #entries do
    if is_member(entries[i]) then
      members[#members + 1] = entries[i]
    end
  end
  return members, #entries - #members
end

-- The whole number that a field holds, or nil where it holds none: rubbish of foreign hands must not stop a script
-- half-way. Longer ones than any count or time in ms are rubbish too, since adding to them may fail.
local function whole(text)
  if text and #text <= 15 and (text == '0' or string.find(text, '^%-?[1-9]%d*$')) then
    return tonumber(text)
  end
  return nil
end

-- Adds to a counter. One that holds no number begins anew, which is counted under `mended_number`.
local function tally(meta, counter, by)
  if by == 0 or type(redis.pcall('HINCRBY', meta, counter, by)) == 'number' then
    return
  end
  redis.call('HSET', meta, counter, math.max(by, 0))
  if counter ~= 'mended_number' then
    tally(meta, 'mended_number', 1)
  end
end

-- Which of the two sets of ended ids is written to now. What is neither 0 nor 1 counts as 0; `rotate` puts it right.
local function epoch_of(text)
  return text == '1' and 1 or 0
end

-- Puts up to `wanted` wake tokens on the list that idle workers block on.
local function wake(list, wanted)
  wanted = math.min(wanted, MAX_TOKENS) - redis.call('LLEN', list)
  for _ = 1, wanted do
    redis.call('LPUSH', list, '1')
  end
end

-- Puts members at the head of their pending lists; the first of them comes out first.
local function put_at_head(lists, members)
  for i = #members, 1, -1 do
    redis.call('RPUSH', lists[string.sub(members[i], 17)], members[i])
  end
end

-- The longest lease that workers have told of, which is how long a hold lasts; else the caller's own. Workers beat three
-- times a lease, so that each one that lives has told its own within the last two spells that `rotate` keeps apart.
local function longest_lease(told, told_before, own)
  local longest = math.max(whole(told) or 0, whole(told_before) or 0)
  return longest > 0 and math.min(longest, MAX_HOLD_MS) or own
end

-- Keeps the longest lease of all workers in mind; `rotate` forgets it after a while, and beats tell it again.
local function tell_lease(meta, lease_ms)
  local known = redis.call('HMGET', meta, 'marker', 'lease_ms')
  if known[1] and (whole(known[2]) or 0) < lease_ms then
    redis.call('HSET', meta, 'lease_ms', lease_ms)
  end
end

-- Remembers the run id of the server. A new one means a restart or a failover: for the longest lease nothing is
-- reclaimed, so that live workers can renew theirs first. A hold that is longer than any is one from before the clock
-- was set back, and is as good as a new one. Returns whether the hold lasts.
local function held_back(meta, now, run_id, own_ms)
  local known = redis.call('HMGET', meta, 'run_id', 'hold_until', 'lease_ms', 'lease_ms_before')
  local hold_ms, held_until = longest_lease(known[3], known[4], own_ms), whole(known[2]) or 0
  if known[1] ~= run_id or held_until > now + hold_ms then
    redis.call('HSET', meta, 'run_id', run_id, 'hold_until', now + hold_ms)
    return true
  end
  return now < held_until
end

-- Marks an id as ended, so that it cannot be enqueued again within the dedupe window.
-- `how` is one letter: c cancelled, r removed, t trimmed, l logged. keys: done:0 done:1 ended:0 ended:1.
local function entomb(keys, meta, id, how)
  local epoch = epoch_of(redis.call('HGET', meta, 'epoch'))
  redis.call('SADD', keys[1 + epoch], id)
  redis.call('HSET', keys[3 + epoch], id, how)
end

-- Lets the `count` oldest dead letters go; their ids stay known. dead, tombs as in `bury`.
local function let_go(dead, tombs, meta, count)
  local oldest = redis.call('ZPOPMIN', dead[1], count)
  for i = 1, #oldest, 2 do
    local id = id_of(oldest[i])
    redis.call('HDEL', dead[2], id)
    redis.call('HDEL', dead[3], id)
    redis.call('HDEL', dead[4], id)
    entomb(tombs, meta, id, 't')
  end
  tally(meta, 'trimmed', #oldest / 2)
end

-- Puts a job among the dead letters, then lets the oldest go where there are more than `max`, at most
-- `bound` of them in one call. dead: {dead, failures, jobs, history, crashes}, tombs as in `entomb`.
local function bury(dead, tombs, meta, now, member, failure, max, bound)
  redis.call('ZADD', dead[1], now, member)
  redis.call('HSET', dead[2], id_of(member), failure)
  redis.call('HDEL', dead[5], id_of(member))
  tally(meta, 'dead', 1)
  local over = math.min(redis.call('ZCARD', dead[1]) - max, bound)
  if over > 0 then
    let_go(dead, tombs, meta, over)
  end
end

-- Appends the records of finished jobs to the stream of recent ones and drops the oldest entries, so that never more
-- than `max` jobs are kept, and none longer than `keep_ms`. An entry holds one job at least, so that a call has to drop
-- as many entries as it adds jobs, at most. Where the count of them is no number, or smaller than can be, all go.
local function record(recent, meta, now, records, max, keep_ms)
  local total = whole(redis.call('HGET', meta, 'recent') or '0')
  if not total or total < redis.call('XLEN', recent) then
    redis.call('UNLINK', recent)
    redis.call('HSET', meta, 'recent', 0)
    tally(meta, 'mended_number', 1)
    total = 0
  end
  local before, left = total, #records + 2
  local first = math.max(1, #records - max + 1)
  if first <= #records and keep_ms > 0 then
    local added = #records - first + 1
    redis.call('XADD', recent, '*', 'n', added, 'at', now, 'r', table.concat(records, '\n', first))
    total = total + added
  end
  while left > 0 do
    local oldest = redis.call('XRANGE', recent, '-', '+', 'COUNT', 1)[1]
    if not oldest then
      total = 0
      break
    end
    -- An entry of foreign hands counts for nothing and is as old as can be.
    local jobs, at = whole(oldest[2][2]) or 0, whole(oldest[2][4]) or 0
    if total <= max and now - at < keep_ms then
      break
    end
    redis.call('XDEL', recent, oldest[1])
    total = total - jobs
    left = left - 1
  end
  if total ~= before then
    redis.call('HSET', meta, 'recent', math.max(total, 0))
  end
end

-- Where an id is, lists left out: in running hashes, which are the keys from `first` on, and in these sorted sets, in
-- their order. Each place is {key, member, ranked}.
local function places_of(id, ranked, first)
  local members, places = {id .. 'c', id .. 'h', id .. 'd', id .. 'l'}, {}
  for i = first, #KEYS - CLOCK_KEYS do
    for k, call in ipairs(redis.call('HMGET', KEYS[i], unpack(members))) do
      if call then
        places[#places + 1] = {key = KEYS[i], member = members[k], ranked = false}
      end
    end
  end
  for _, key in ipairs(ranked) do
    for k, score in ipairs(redis.call('ZMSCORE', key, unpack(members))) do
      if score then
        places[#places + 1] = {key = key, member = members[k], ranked = true}
      end
    end
  end
  return places
end

-- How many entries a member has on its list and among the suspects. Whoever asks has seen that these are short enough.
local function entries_of(member, lists, suspects)
  local list = lists[string.sub(member, 17)]
  return #redis.call('LPOS', list, member, 'COUNT', 0) + #redis.call('LPOS', suspects, member, 'COUNT', 0)
end
