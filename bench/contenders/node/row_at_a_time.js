// One INSERT a record, each committed: Drizzle ORM over postgres.js.

import { drizzle } from 'drizzle-orm/postgres-js';

import { composerKeys, connect, measure, options } from './run.js';
import { works } from './schema.js';
import { records, transform } from './transform.js';

const { document, source, limit } = options();
const sql = await connect();
const db = drizzle({ client: sql });
await measure(document, async (text) => {
  const chosen = records(source, JSON.parse(text)).slice(0, limit);
  for (const row of transform(source, chosen, await composerKeys(source, sql))) {
    await db.insert(works).values(row);
  }
  return chosen.length;
});
await sql.end();
