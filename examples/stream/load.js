// Streams JSON into an inbox, a piece at a time: node load.js INBOX [FILE or URL].
//
// Without a file it reads standard input. Where to is told by PGHOST, PGDATABASE and their like, as psql is told.

import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

import { rows } from './binary.js';

const [inbox, place = '-'] = process.argv.slice(2);

async function openSource() {
  if (place === '-') return process.stdin;
  if (!place.includes('://')) return createReadStream(place);
  const response = await fetch(place);
  if (!response.ok) throw new Error(`${place}: ${response.status} ${response.statusText}`);
  return Readable.fromWeb(response.body);
}

const client = new pg.Client();
await client.connect();
try {
  const source = await openSource();
  const name = inbox.split('.').map(pg.escapeIdentifier).join('.');
  // Where reading fails, the COPY fails, and nothing of it stays.
  await pipeline(source, rows, client.query(copyFrom(`COPY ${name} (chunk) FROM STDIN (FORMAT binary)`)));
  const { rows: counts } = await client.query('SELECT received, inserted, updated, rejected FROM last_load()');
  const { received = 0, inserted = 0, updated = 0, rejected = 0 } = counts[0] ?? {};
  console.log(`${received} received, ${inserted} inserted, ${updated} updated, ${rejected} rejected`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await client.end();
}
