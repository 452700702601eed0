\set n random(1, 20)
SELECT id, pool, slots, description FROM slot_pool WHERE pool = 'pool_' || :n;
