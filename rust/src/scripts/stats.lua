#!lua flags=no-writes
-- stats: how many jobs are where, in time that does not grow with them.
--
-- KEYS  [1]..[4] pending c h d l   [5] suspects   [6] scheduled   [7] parked   [8] dead   [9] jobs   [10] meta   [11] workers
--       [12] leases
-- Returns {now, pending of each priority c h d l, suspects, scheduled, parked, dead, jobs in all, meta as a flat list,
--       workers as a flat list, leases as a flat list of incarnation and expiry}.
return {now_ms(), redis.call('LLEN', KEYS[1]), redis.call('LLEN', KEYS[2]), redis.call('LLEN', KEYS[3]), redis.call('LLEN', KEYS[4]),
        redis.call('LLEN', KEYS[5]), redis.call('ZCARD', KEYS[6]), redis.call('ZCARD', KEYS[7]), redis.call('ZCARD', KEYS[8]),
        redis.call('HLEN', KEYS[9]), redis.call('HGETALL', KEYS[10]), redis.call('HGETALL', KEYS[11]),
        redis.call('ZRANGE', KEYS[12], 0, -1, 'WITHSCORES')}
