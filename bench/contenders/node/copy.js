// A client that parses, transforms and sends COPY in text format, over one connection or several at once. Sorting the
// rows by composer costs more than it gains.

import { once } from 'node:events';

import { composerKeys, connect, measure, options } from './run.js';
import { COLUMNS, records, transform } from './transform.js';

// Characters of COPY lines sent at a time.
const BLOCK = 256 * 1024;

const ESCAPES = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };
const escaped = (text) => (/[\\\t\n\r]/.test(text) ? text.replace(/[\\\t\n\r]/g, (c) => ESCAPES[c]) : text);
const array = (texts) => `{${texts.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;

const field = (value) => {
  if (value === null) return '\\N';
  if (typeof value === 'string') return escaped(value);
  return Array.isArray(value) ? escaped(array(value)) : String(value);
};

async function copy(sql, columns, rows) {
  const stream = await sql.unsafe(`COPY works (${columns.join(', ')}) FROM STDIN`).writable();
  let block = '';
  for (const row of rows) {
    let between = '';
    for (const column of columns) {
      block += between + field(row[column]);
      between = '\t';
    }
    block += '\n';
    if (block.length >= BLOCK) {
      if (!stream.write(block)) await once(stream, 'drain');
      block = '';
    }
  }
  stream.end(block);
  await once(stream, 'finish');
}

const { document, source, connections, limit } = options();
const clients = await Promise.all(Array.from({ length: connections }, connect));
await measure(document, async (text) => {
  const chosen = records(source, JSON.parse(text)).slice(0, limit);
  const rows = transform(source, chosen, await composerKeys(source, clients[0]));
  const size = Math.ceil(rows.length / clients.length);
  await Promise.all(
    clients.map((sql, i) => copy(sql, COLUMNS[source], rows.slice(i * size, (i + 1) * size))),
  );
  return rows.length;
});
await Promise.all(clients.map((sql) => sql.end()));
