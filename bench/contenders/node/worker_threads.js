// The multithreaded program that pg_opus replaces: a batch of the records for each worker thread, which transforms it
// and writes it by multi-row INSERTs of Drizzle ORM in one transaction, on a connection of its own.

import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

import { drizzle } from 'drizzle-orm/postgres-js';

import { composerKeys, connect, measure, options } from './run.js';
import { works } from './schema.js';
import { COLUMNS, records, transform } from './transform.js';

// Of the protocol's messages.
const MOST_PARAMETERS = 65534;

if (isMainThread) {
  const { document, source, connections, limit } = options();
  const workers = Array.from({ length: connections }, () => new Worker(new URL(import.meta.url), { workerData: { source } }));
  const said = (worker) =>
    new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await Promise.all(workers.map(said));
  await measure(document, async (text) => {
    const all = records(source, JSON.parse(text)).slice(0, limit);
    const size = Math.ceil(all.length / workers.length);
    const written = workers.map((worker, i) => {
      const done = said(worker);
      worker.postMessage(all.slice(i * size, (i + 1) * size));
      return done;
    });
    return (await Promise.all(written)).reduce((sum, rows) => sum + rows, 0);
  });
  await Promise.all(workers.map((worker) => worker.terminate()));
} else {
  const { source } = workerData;
  const sql = await connect();
  const db = drizzle({ client: sql });
  parentPort.on('message', async (batch) => {
    const rows = transform(source, batch, await composerKeys(source, sql));
    // Drizzle sends a parameter for each column that a row names.
    const size = Math.floor(MOST_PARAMETERS / COLUMNS[source].length);
    await db.transaction(async (transaction) => {
      for (let start = 0; start < rows.length; start += size) {
        await transaction.insert(works).values(rows.slice(start, start + size));
      }
    });
    parentPort.postMessage(rows.length);
  });
  parentPort.postMessage('ready');
}
