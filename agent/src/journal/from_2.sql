-- From version 2: the bytes each stream holds in the outbox are counted.
ALTER TABLE stream ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE stream SET bytes =
    coalesce((SELECT sum(length(payload)) FROM outbox WHERE outbox.stream = stream.stream), 0);
CREATE TRIGGER outbox_grows AFTER INSERT ON outbox BEGIN
    UPDATE stream SET bytes = bytes + length(NEW.payload) WHERE stream = NEW.stream;
END;
CREATE TRIGGER outbox_shrinks AFTER DELETE ON outbox BEGIN
    UPDATE stream SET bytes = bytes - length(OLD.payload) WHERE stream = OLD.stream;
END;
