// What the programs have in common: their options, a warm connection, the clock and the one line that they print.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import postgres from 'postgres';

export const options = () => {
  const { values } = parseArgs({
    options: {
      document: { type: 'string' },
      source: { type: 'string', default: 'imslp' },
      connections: { type: 'string', default: '1' },
      limit: { type: 'string' },
    },
  });
  const number = (text) => (text === undefined ? undefined : Number(text));
  return { ...values, connections: number(values.connections), limit: number(values.limit) };
};

// A connection that has been used. PGHOST is a folder with a Unix socket.
export async function connect() {
  const host = process.env.PGHOST;
  const sql = postgres({
    path: `${host}/.s.PGSQL.${process.env.PGPORT ?? 5432}`,
    user: process.env.PGUSER,
    database: process.env.PGDATABASE,
    max: 1,
    onnotice: () => {},
  });
  await sql`SELECT 1`;
  return sql;
}

export const composerKeys = async (source, sql) =>
  source === 'imslp'
    ? new Map()
    : new Map((await sql`SELECT complete_name, composer_id FROM composers`).map((row) => [row.complete_name, row.composer_id]));

// Reads the document, runs `load` on its text with the clock running, and prints what came of it.
export async function measure(document, load) {
  const text = readFileSync(document, 'utf8');
  const start = process.hrtime.bigint();
  const rows = await load(text);
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
  console.log(JSON.stringify({ milliseconds, rows }));
}
