INSERT INTO reading SELECT * FROM jsonb_populate_recordset(NULL::reading, :document)
