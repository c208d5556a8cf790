// An HTTP front of pg_opus: JSON in, rows written. See README.md.

import { createReadStream } from 'node:fs';
import { parseArgs } from 'node:util';

import express from 'express';
import pg from 'pg';

import { body } from './body.js';
import { answer, Refused } from './errors.js';
import { push, RESOURCES } from './push.js';

const { values: given } = parseArgs({
  options: {
    composers: { type: 'string' },
    works: { type: 'string' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '3000' },
    limit: { type: 'string', default: 'Infinity' },
  },
});
const limit = Number(given.limit);

// Where to is told by PGHOST, PGPORT, PGDATABASE and their like, as psql is told.
const pool = new pg.Pool();
// A connection that breaks while nobody uses it: the next request takes another.
pool.on('error', (error) => console.error(`a connection was lost: ${error.message}`));

// A file, opened when somebody reads.
async function* read(file) {
  yield* createReadStream(file);
}

const app = express();
app.disable('x-powered-by');
for (const resource of RESOURCES) {
  const answerWith = (document) => async (request, response) => {
    const written = await push(pool, resource, document(request), request, response);
    response.type('text/plain').send(`${written} ${resource} pushed\n`);
  };
  const file = () => {
    if (!given[resource]) throw new Refused(404, `the server was started without --${resource}`);
    return read(given[resource]);
  };
  app
    .route(`/push/${resource}`)
    .post(answerWith((request) => body(request, limit)))
    .get(answerWith(file))
    .all((request, response) => {
      response.set('Allow', 'GET, POST');
      throw new Refused(405, `${request.method} is neither GET nor POST`);
    });
}
app.use((request) => {
  throw new Refused(404, `there is no ${request.path}`);
});
app.use(answer);

try {
  const found = await pool.query("SELECT 1 FROM pg_extension WHERE extname = 'pg_opus'");
  if (found.rowCount === 0) throw new Error('the database has no pg_opus: run CREATE EXTENSION pg_opus in it');
} catch (error) {
  console.error(error.message || String(error));
  process.exit(1);
}

const server = app.listen(Number(given.port), given.host, (error) => {
  if (error) {
    console.error(error.message);
    process.exit(1);
  }
  const { address, port } = server.address();
  console.log(`listening on http://${address.includes(':') ? `[${address}]` : address}:${port}`);
});
// A large document takes its time to come, and a load its time to answer.
server.requestTimeout = 0;

// Requests that run are answered first.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => server.close(() => pool.end().then(() => process.exit(0))));
}
