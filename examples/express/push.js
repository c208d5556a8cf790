// One load: the document goes through an inbox, a piece at a time. Two arguments need the function, and the document as
// its parameter: see README.md.

import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';

import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

import { rows } from '../stream/binary.js';
import { whole } from './body.js';
import { Refused } from './errors.js';

const INBOX = { on_conflict: 'text', on_error: 'text', reject_limit: 'bigint' };
const COMMON = { ...INBOX, workers: 'integer' };
const ARGUMENTS = { composers: COMMON, works: { ...COMMON, create_composers: 'boolean' } };
const FORMS = { bigint: /^[0-9]{1,18}$/, integer: /^[0-9]{1,9}$/, boolean: /^(true|false)$/, text: /^[a-z]*$/ };

export const RESOURCES = Object.keys(ARGUMENTS);

// The number of rows written. A client that hangs up before the answer ends the load, which leaves nothing behind.
export async function push(pool, resource, pieces, request, response) {
  const given = checked(resource, request.query);
  const streams = given.every(([name]) => Object.hasOwn(INBOX, name));
  // What is held is there before a connection is taken for it.
  const source = streams ? pieces : await whole(pieces);
  const client = await pool.connect();
  // A connection that breaks fails its query, and is an error of its own.
  const lost = (error) => console.error(`a connection was lost: ${error.message}`);
  client.on('error', lost);
  let cancelled;
  const cancel = () => {
    if (!response.writableFinished) {
      cancelled = cancelStatement(client).catch(() => {});
    }
  };
  let broken;
  try {
    if (response.destroyed) throw new Refused(499, 'the client has gone');
    response.once('close', cancel);
    return await (streams ? stream : hold)(client, resource, given, source);
  } catch (error) {
    // An error without a SQLSTATE is the connection's: it is not used again.
    if (!(error instanceof Refused) && !/^[0-9A-Z]{5}$/.test(error.code ?? '')) broken = error;
    throw error;
  } finally {
    response.off('close', cancel);
    await cancelled;
    client.off('error', lost);
    client.release(broken);
  }
}

// Ends what a connection is doing, by the protocol's cancel request, which needs no session and goes through a pooler.
async function cancelStatement(client) {
  const other = new pg.Client();
  const closed = once(other.connection.stream, 'close');
  // The stream's errors are the connection's too.
  other.connection.on('error', () => {});
  other.cancel(client, client.activeQuery);
  await closed;
}

// Through an inbox of this load alone, in one transaction.
async function stream(client, resource, given, pieces) {
  // Not in the transaction: others would wait for the end of this document.
  await client.query("SELECT create_catalogue() WHERE to_regclass('composers') IS NULL OR to_regclass('works') IS NULL");
  await client.query('BEGIN');
  try {
    const { named, values } = parameters(given);
    await client.query(
      `SELECT create_inbox('pg_temp.push', $1::text::regclass, jsonb_build_object('fields_of', $1::text)${named})`,
      [resource, ...values],
    );
    await pipeline(pieces, rows, client.query(copyFrom('COPY pg_temp.push (chunk) FROM STDIN (FORMAT binary)')));
    const { rows: loads } = await client.query('SELECT inserted + updated AS written FROM last_load()');
    await client.query('DROP VIEW pg_temp.push');
    await client.query('COMMIT');
    return loads[0].written;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

// The document is the parameter of a function.
async function hold(client, resource, given, document) {
  const { named, values } = parameters(given);
  // A Buffer goes in binary: for a text those are its bytes.
  const text = `SELECT load_${resource}($1::text${named}) AS written`;
  const { rows: answers } = await client.query({ text, values: [document, ...values] });
  return answers[0].written;
}

// Named arguments of a call, whose values are parameters behind the first.
function parameters(given) {
  const named = given.map(([name, , type], place) => `, ${name} => $${2 + place}::${type}`).join('');
  return { named, values: given.map(([, value]) => value) };
}

// What the query gives for arguments: their names, values and types.
function checked(resource, query) {
  const known = ARGUMENTS[resource];
  return Object.entries(query).map(([name, value]) => {
    if (!Object.hasOwn(known, name)) {
      throw new Refused(400, `load_${resource} has no argument ${name}: it has ${Object.keys(known).join(', ')}`);
    }
    if (typeof value !== 'string' || !FORMS[known[name]].test(value)) {
      throw new Refused(400, `${name} is no ${known[name]}`);
    }
    return [name, value, known[name]];
  });
}
