#!lua flags=allow-oom
-- confirm: write something, so that what WAIT and WAITAOF on this connection wait for lies behind every earlier write.
-- A repeated enqueue that finds all its ids known writes nothing by itself.
--
-- KEYS  [1] meta
-- ARGV  none
-- Returns 1; or 0 with nothing written where meta has no marker.
if not redis.call('HGET', KEYS[1], 'marker') then
  return 0
end
redis.call('HSET', KEYS[1], 'confirmed_at', now_ms())
return 1
