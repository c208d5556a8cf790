// The HTTP front as its clients see it: each test has a database and a front of its own.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SAMPLE = path.join(ROOT, 'examples/sample');
const DUMP = path.join(ROOT, '../shared/data/openopus_dump.json');

const psql = (database, sql) =>
  execFileSync('psql', ['-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', sql], { encoding: 'utf8' }).trim();

let databases = 0;

// Starts a front on a free port and ends it after the test.
async function front(t, options = [], { extension = true } = {}) {
  const database = `front${++databases}`;
  psql('postgres', `CREATE DATABASE ${database}`);
  if (extension) psql(database, 'CREATE EXTENSION pg_opus');
  const child = spawn(process.execPath, [path.join(ROOT, 'examples/express/server.js'), '--port', '0', ...options], {
    env: { ...process.env, PGDATABASE: database },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  const ended = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
  t.after(async () => {
    child.kill('SIGTERM');
    assert.equal(await ended, extension ? 0 : 1, said);
  });
  const url = await new Promise((resolve, reject) => {
    child.stdout.on('data', (data) => resolve(/http:\/\/\S+/.exec(data)?.[0]));
    ended.then(() => reject(new Error(said)));
  }).catch((error) => error);
  const ask = async (where, request = {}) => {
    const response = await fetch(url + where, request);
    const text = await response.text();
    const json = response.headers.get('content-type')?.startsWith('application/json');
    return { status: response.status, body: json ? JSON.parse(text) : text };
  };
  const post = (where, body) =>
    ask(where, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  return { database, url, ask, post, child, count: (table) => Number(psql(database, `SELECT count(*) FROM ${table}`)) };
}

const sample = (name) => readFileSync(path.join(SAMPLE, name));
const work = (pageid, more = {}) => ({ intvals: { composer: 'Bach, Johann Sebastian', worktitle: `W${pageid}`, pageid, ...more } });
const until = async (holds) => {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('it never came to that');
};

test('the real dump, twice', { skip: !existsSync(DUMP) && 'there is no ../shared/data' }, async (t) => {
  const { post, count } = await front(t);
  const dump = readFileSync(DUMP);
  assert.deepEqual(await post('/push/composers', dump), { status: 200, body: '220 composers pushed\n' });
  assert.deepEqual(await post('/push/works', dump), { status: 200, body: '24975 works pushed\n' });
  assert.deepEqual(await post('/push/works', dump), { status: 200, body: '0 works pushed\n' });
  assert.equal(count('works'), 24975);
});

test('GET pushes the files of the start', async (t) => {
  const file = (name) => path.join(SAMPLE, name);
  const options = ['--composers', file('imslp_composers.json'), '--works', file('imslp_works.json')];
  const { ask, count } = await front(t, options);
  assert.deepEqual(await ask('/push/composers'), { status: 200, body: '32 composers pushed\n' });
  assert.deepEqual(await ask('/push/works'), { status: 200, body: '114 works pushed\n' });
  assert.equal(count('works'), 114);
});

test('two requests at once', async (t) => {
  const { post, count } = await front(t);
  const composers = await post('/push/composers', sample('imslp_composers.json'));
  assert.equal(composers.status, 200);
  const works = (first) => JSON.stringify(Array.from({ length: 3000 }, (_, i) => work(first + i)));
  const both = await Promise.all([post('/push/works', works(10000)), post('/push/works', works(12000))]);
  assert.deepEqual(both.map((answer) => answer.status), [200, 200]);
  // A thousand works are in both.
  const written = both.map((answer) => Number(/^\d+/.exec(answer.body)[0]));
  assert.equal(written[0] + written[1], 5000);
  assert.equal(count('works'), 5000);
});

test('bad data is 400 with its place, and leaves nothing', async (t) => {
  const { post, count } = await front(t);
  await post('/push/composers', sample('imslp_composers.json'));
  const refused = async (body, expected) => {
    const answer = await post('/push/works', typeof body === 'string' ? body : JSON.stringify(body));
    assert.equal(answer.status, 400, JSON.stringify(answer));
    for (const [field, value] of Object.entries(expected)) {
      if (value instanceof RegExp) assert.match(answer.body[field], value);
      else assert.deepEqual(answer.body[field], value, JSON.stringify(answer.body));
    }
  };
  await refused('{"works": [', { sqlstate: '22P02', error: /invalid input syntax for type json/ });
  await refused([work(1), 7], { record: 1, path: '$[1]', sqlstate: '2203C' });
  await refused([work(1), work(2), work(3, { worktitle: 5 })], {
    record: 2,
    path: '$[2].intvals.worktitle',
    sqlstate: '42804',
    error: /expected a string, found a number/,
    hint: /on_error/,
  });
  await refused([work(1, { composer: 'Nobody, Known' })], {
    record: 0,
    path: '$[0]',
    sqlstate: '23503',
    detail: /Nobody,_Known/,
  });
  assert.equal(count('works'), 0);
});

test('the arguments of the function are those of the query', async (t) => {
  const { post, count } = await front(t);
  await post('/push/composers', sample('imslp_composers.json'));
  const works = JSON.stringify([work(1), work(2, { worktitle: 5 }), work(3, { composer: 'New, Quite' })]);
  const answer = await post('/push/works?on_error=ignore&create_composers=true&reject_limit=1', works);
  assert.deepEqual(answer, { status: 200, body: '2 works pushed\n' });
  assert.equal(count('rejected_records'), 1);
  for (const query of ['on_conflict=Update!', 'reject_limit=-1', 'nonsense=1', 'workers=1&workers=2', 'create_composers=1']) {
    assert.equal((await post(`/push/works?${query}`, works)).status, 400, query);
  }
  assert.equal((await post('/push/works?on_conflict=replace', works)).body.sqlstate, '22023');
  assert.equal((await post('/push/composers?create_composers=true', '[]')).status, 400);
});

test('what is no load', async (t) => {
  const { ask, post } = await front(t, ['--limit', '1000']);
  assert.equal((await ask('/push/works')).status, 404);
  assert.equal((await ask('/pull/works')).status, 404);
  assert.equal((await ask('/push/works', { method: 'DELETE' })).status, 405);
  assert.equal((await post('/push/works', '')).status, 400);
  assert.equal((await post('/push/works', 'x'.repeat(1001))).status, 413);
});

test('a body of any size takes a part of it in memory', async (t) => {
  const { child, url, count } = await front(t);
  const size = 200_000_000;
  // One large array: composers, and blanks between them.
  async function* document() {
    yield '[';
    for (let sent = 0, n = 0; sent < size; n += 1) {
      const record = `${n ? ',' : ''}{"id":"Category:N${n}, A","type":"1"}${' '.repeat(100_000)}`;
      sent += record.length;
      yield record;
    }
    yield ']';
  }
  const response = await fetch(`${url}/push/composers`, { method: 'POST', body: Readable.toWeb(Readable.from(document())), duplex: 'half' });
  assert.equal(response.status, 200);
  assert.ok(count('composers') >= 1999);
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) * 1024;
  assert.ok(peak < size, `${peak} bytes`);
});

test('a body in chunks, of no stated length', async (t) => {
  const { url, count } = await front(t, ['--limit', '100000']);
  const send = (parts) =>
    new Promise((resolve, reject) => {
      const request = http.request(`${url}/push/composers`, { method: 'POST' }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
      });
      request.on('error', reject);
      for (const part of parts) request.write(part);
      request.end();
    });
  const bytes = sample('imslp_composers.json');
  // In the middle of characters, too.
  const parts = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(7 * i, 7 * i + 7));
  assert.equal(await send(parts), 200);
  assert.equal(count('composers'), 32);
  assert.equal(await send([Buffer.alloc(60000, ' '), Buffer.alloc(60000, ' ')]), 413);
});

test('who hangs up loads nothing', async (t) => {
  const { database, url, post, count } = await front(t);
  await post('/push/composers', sample('imslp_composers.json'));
  // In the middle of the body.
  const half = http.request(`${url}/push/works`, { method: 'POST', headers: { 'content-length': 1000 } });
  half.on('error', () => {});
  half.write(JSON.stringify([work(1)]));
  await new Promise((resolve) => setTimeout(resolve, 100));
  half.destroy();
  // While the load waits for a lock.
  const locker = spawn('psql', ['-Xq', '-d', database], { stdio: ['pipe', 'ignore', 'ignore'] });
  locker.stdin.write('BEGIN; LOCK TABLE works;\n');
  const waiting = () => psql(database, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'works'::regclass");
  const locked = () => psql(database, "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND relation = 'works'::regclass");
  await until(() => locked() === '1');
  const abort = new AbortController();
  const gone = fetch(`${url}/push/works`, { method: 'POST', body: JSON.stringify([work(2)]), signal: abort.signal });
  await until(() => waiting() === '1');
  abort.abort();
  await assert.rejects(gone);
  await until(() => waiting() === '0');
  locker.stdin.end('ROLLBACK;\n');
  await new Promise((resolve) => locker.on('exit', resolve));
  assert.equal(count('works'), 0);
  assert.equal((await post('/push/works', JSON.stringify([work(3)]))).status, 200);
});

test('more clients that hang up than there are connections', async (t) => {
  const { url, post, count } = await front(t);
  await post('/push/composers', sample('imslp_composers.json'));
  const clients = Array.from({ length: 12 }, () => {
    const request = http.request(`${url}/push/works`, { method: 'POST' });
    request.on('error', () => {});
    request.write('[');
    return request;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  clients.forEach((client) => client.destroy());
  assert.equal((await post('/push/works', JSON.stringify([work(3)]))).status, 200);
  assert.equal(count('works'), 1);
});

test('what is not the client’s fault is 500, and the next request is served', async (t) => {
  const { database, post } = await front(t);
  await post('/push/composers', sample('imslp_composers.json'));
  psql(database, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
    CREATE TRIGGER fail BEFORE INSERT ON works FOR EACH ROW EXECUTE FUNCTION fail()`);
  assert.equal((await post('/push/works', JSON.stringify([work(1)]))).status, 500);
  psql(database, 'DROP TRIGGER fail ON works');
  // Connections that broke while nobody used them.
  psql('postgres', `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`);
  await until(async () => (await post('/push/works', JSON.stringify([work(1)]))).status === 200);
  psql(database, 'DROP EXTENSION pg_opus');
  const answer = await post('/push/works', '[]');
  assert.deepEqual([answer.status, answer.body.sqlstate], [500, '42883']);
});

test('a database without the extension', async (t) => {
  const { url } = await front(t, [], { extension: false });
  assert.match(url.message, /CREATE EXTENSION pg_opus/);
});

test('a file that is not there is the server’s fault', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'pg_opus_front.'));
  const { ask } = await front(t, ['--works', path.join(folder, 'works.json')]);
  assert.equal((await ask('/push/works')).status, 500);
  writeFileSync(path.join(folder, 'works.json'), '[]');
  assert.deepEqual(await ask('/push/works'), { status: 200, body: '0 works pushed\n' });
});
