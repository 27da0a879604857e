-- Whose batch a label's price came with.
ALTER TABLE label ADD COLUMN key_id TEXT NOT NULL DEFAULT '';
-- The result as headquarters will be told it (LabelShown); none once it was.
ALTER TABLE label ADD COLUMN untold BLOB;

-- Items that are out of stock, as somebody said: their labels say so.
CREATE TABLE out_of_stock (
    item  TEXT PRIMARY KEY,
    by    TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
