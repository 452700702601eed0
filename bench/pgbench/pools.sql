SELECT id, pool, slots, description FROM slot_pool ORDER BY id;
