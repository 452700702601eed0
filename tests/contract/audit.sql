-- Notes every row that is written while the cases are replayed. For a scratch database: it puts a trigger on each table.
CREATE SCHEMA replay_audit;

CREATE TABLE replay_audit.change (
    id        bigserial PRIMARY KEY,
    relation  text NOT NULL,
    before    jsonb,
    after     jsonb
);

CREATE FUNCTION replay_audit.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET timezone = 'UTC' AS $$
BEGIN
    INSERT INTO replay_audit.change (relation, before, after)
    VALUES (TG_TABLE_NAME,
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
            CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
    RETURN NULL;
END
$$;

-- The rows of a table that have these values.
CREATE FUNCTION replay_audit.rows_with(relation text, key jsonb) RETURNS SETOF jsonb
LANGUAGE plpgsql SET timezone = 'UTC' AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT to_jsonb(t) FROM public.%I AS t WHERE to_jsonb(t) @> $1', relation) USING key;
END
$$;

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TRIGGER replay_audit AFTER INSERT OR UPDATE OR DELETE ON public.%I '
                       'FOR EACH ROW EXECUTE FUNCTION replay_audit.note()', name);
    END LOOP;
END
$$;
