-- The audit log becomes append-only, and whoever goes around that is found out: each new row joins the tail, and the
-- sealer numbers and chains what it finds there. Rows at or below the floor are those that retention may take away.
-- up
CREATE TABLE audit_tail (
    entry_id {uuid} NOT NULL PRIMARY KEY
) {strict};
CREATE TABLE audit_chain (
    seq {int} NOT NULL PRIMARY KEY,
    entry_id {uuid} NOT NULL UNIQUE,
    mac {bytes} NOT NULL
) {strict};
CREATE TABLE audit_segments (
    number {int} NOT NULL PRIMARY KEY,
    first_seq {int} NOT NULL,
    last_seq {int} NOT NULL,
    mac {bytes} NOT NULL,
    sealed_at {int} NOT NULL
) {strict};
CREATE TABLE audit_floor (
    slot {int} NOT NULL PRIMARY KEY CHECK (slot = 1),
    segment {int} NOT NULL,
    seq {int} NOT NULL,
    chain_mac {bytes} NOT NULL,
    mac {bytes} NOT NULL
) {strict};
CREATE INDEX audit_log_by_actor ON audit_log (actor_id, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_log_by_action ON audit_log (action, id);
CREATE INDEX audit_log_by_address ON audit_log (address, id) WHERE address IS NOT NULL;
INSERT INTO audit_tail (entry_id) SELECT id FROM audit_log;
-- engine: sqlite
-- A REPLACE deletes without asking the triggers for deletions, so a second row of one key is refused before it.
CREATE TRIGGER audit_log_once BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_joins_tail AFTER INSERT ON audit_log
BEGIN INSERT INTO audit_tail (entry_id) VALUES (NEW.id); END;
CREATE TRIGGER audit_log_stays BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_is_kept BEFORE DELETE ON audit_log
WHEN NOT EXISTS (SELECT 1 FROM audit_chain c JOIN audit_floor f ON c.seq <= f.seq WHERE c.entry_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_tail_stays BEFORE UPDATE ON audit_tail
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_tail_is_kept BEFORE DELETE ON audit_tail
WHEN NOT EXISTS (SELECT 1 FROM audit_chain WHERE entry_id = OLD.entry_id)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_chain_once BEFORE INSERT ON audit_chain
WHEN EXISTS (SELECT 1 FROM audit_chain WHERE seq = NEW.seq OR entry_id = NEW.entry_id)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_chain_stays BEFORE UPDATE ON audit_chain
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_chain_is_kept BEFORE DELETE ON audit_chain
WHEN NOT EXISTS (SELECT 1 FROM audit_floor WHERE OLD.seq <= seq)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_segments_stay BEFORE UPDATE ON audit_segments
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_segments_are_kept BEFORE DELETE ON audit_segments
WHEN NOT EXISTS (SELECT 1 FROM audit_floor WHERE OLD.last_seq <= seq)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_floor_rises BEFORE UPDATE ON audit_floor
WHEN NEW.seq <= OLD.seq
BEGIN SELECT RAISE(ABORT, 'the floor of the audit log only rises'); END;
CREATE TRIGGER audit_floor_is_kept BEFORE DELETE ON audit_floor
BEGIN SELECT RAISE(ABORT, 'the floor of the audit log only rises'); END;
-- engine: postgres
CREATE FUNCTION audit_joins_tail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_tail (entry_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE FUNCTION audit_log_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM audit_chain c JOIN audit_floor f ON c.seq <= f.seq WHERE c.entry_id = OLD.id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE FUNCTION audit_tail_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM audit_chain WHERE entry_id = OLD.entry_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE FUNCTION audit_chain_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM audit_floor WHERE OLD.seq <= seq) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE FUNCTION audit_segments_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM audit_floor WHERE OLD.last_seq <= seq) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE FUNCTION audit_floor_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.seq > OLD.seq THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the floor of the audit log only rises';
END $$;
CREATE TRIGGER audit_log_joins_tail AFTER INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_joins_tail();
CREATE TRIGGER audit_log_stays BEFORE UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_log_is_kept BEFORE DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_is_kept();
CREATE TRIGGER audit_tail_stays BEFORE UPDATE ON audit_tail FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_tail_is_kept BEFORE DELETE ON audit_tail FOR EACH ROW EXECUTE FUNCTION audit_tail_is_kept();
CREATE TRIGGER audit_chain_stays BEFORE UPDATE ON audit_chain FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_chain_is_kept BEFORE DELETE ON audit_chain FOR EACH ROW EXECUTE FUNCTION audit_chain_is_kept();
CREATE TRIGGER audit_segments_stay BEFORE UPDATE ON audit_segments FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_segments_are_kept BEFORE DELETE ON audit_segments FOR EACH ROW EXECUTE FUNCTION audit_segments_are_kept();
CREATE TRIGGER audit_floor_rises BEFORE UPDATE OR DELETE ON audit_floor FOR EACH ROW EXECUTE FUNCTION audit_floor_rises();
CREATE TRIGGER audit_log_whole BEFORE TRUNCATE ON audit_log EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_tail_whole BEFORE TRUNCATE ON audit_tail EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_chain_whole BEFORE TRUNCATE ON audit_chain EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_segments_whole BEFORE TRUNCATE ON audit_segments EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_floor_whole BEFORE TRUNCATE ON audit_floor EXECUTE FUNCTION audit_is_append_only();
-- down
-- engine: sqlite
DROP TRIGGER audit_log_once;
DROP TRIGGER audit_log_joins_tail;
DROP TRIGGER audit_log_stays;
DROP TRIGGER audit_log_is_kept;
-- engine: postgres
DROP TRIGGER audit_log_joins_tail ON audit_log;
DROP TRIGGER audit_log_stays ON audit_log;
DROP TRIGGER audit_log_is_kept ON audit_log;
DROP TRIGGER audit_log_whole ON audit_log;
-- engine: both
DROP INDEX audit_log_by_address;
DROP INDEX audit_log_by_action;
DROP INDEX audit_log_by_actor;
DROP TABLE audit_floor;
DROP TABLE audit_segments;
DROP TABLE audit_chain;
DROP TABLE audit_tail;
-- engine: postgres
DROP FUNCTION audit_joins_tail();
DROP FUNCTION audit_is_append_only();
DROP FUNCTION audit_log_is_kept();
DROP FUNCTION audit_tail_is_kept();
DROP FUNCTION audit_chain_is_kept();
DROP FUNCTION audit_segments_are_kept();
DROP FUNCTION audit_floor_rises();
