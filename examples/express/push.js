// One load: the document goes into the statement's parameter, the query's parameters into the function's arguments.

import { Refused } from './errors.js';

const COMMON = { on_conflict: 'text', on_error: 'text', reject_limit: 'bigint', workers: 'integer' };
const ARGUMENTS = { composers: COMMON, works: { ...COMMON, create_composers: 'boolean' } };
const FORMS = { bigint: /^[0-9]{1,18}$/, integer: /^[0-9]{1,9}$/, boolean: /^(true|false)$/, text: /^[a-z]*$/ };

export const RESOURCES = Object.keys(ARGUMENTS);

// The number of rows written. A client that hangs up before the answer ends the load, which leaves nothing behind.
export async function push(pool, resource, document, request, response) {
  const { text, values } = statement(resource, request.query);
  const client = await pool.connect();
  const cancel = () => {
    if (!response.writableFinished) {
      pool.query('SELECT pg_cancel_backend($1)', [client.processID]).catch(() => {});
    }
  };
  let broken;
  try {
    if (response.destroyed) throw new Refused(499, 'the client has gone');
    response.once('close', cancel);
    // A Buffer goes in binary: for a text those are its bytes.
    const result = await client.query({ text, values: [document, ...values], rowMode: 'array' });
    return result.rows[0][0];
  } catch (error) {
    // An error without a SQLSTATE is the connection's: it is not used again.
    if (!(error instanceof Refused) && !/^[0-9A-Z]{5}$/.test(error.code ?? '')) broken = error;
    throw error;
  } finally {
    response.off('close', cancel);
    client.release(broken);
  }
}

function statement(resource, query) {
  const known = ARGUMENTS[resource];
  const named = [];
  const values = [];
  for (const [name, value] of Object.entries(query)) {
    if (!Object.hasOwn(known, name)) {
      throw new Refused(400, `load_${resource} has no argument ${name}: it has ${Object.keys(known).join(', ')}`);
    }
    if (typeof value !== 'string' || !FORMS[known[name]].test(value)) {
      throw new Refused(400, `${name} is no ${known[name]}`);
    }
    values.push(value);
    named.push(`, ${name} => $${values.length + 1}::${known[name]}`);
  }
  return { text: `SELECT load_${resource}($1::text${named.join('')})`, values };
}
