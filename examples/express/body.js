// A request's body as it comes: bytes, neither parsed nor made a string.

import { Refused } from './errors.js';

// The bytes of the body; at most `limit` of them. They are held once, since PostgreSQL's protocol wants a parameter's
// length before its first byte, and no client library streams one.
export async function body(request, limit) {
  const tooLarge = () => new Refused(413, `the document has more than ${limit} bytes`);
  const length = Number(request.headers['content-length'] ?? NaN);
  if (length > limit) throw tooLarge();
  if (request.headers['content-encoding'] && request.headers['content-encoding'] !== 'identity') {
    throw new Refused(415, 'the document must not be compressed');
  }
  // With its length known it is put together while it comes.
  const whole = Number.isNaN(length) ? null : Buffer.allocUnsafe(length);
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    if (size + chunk.length > limit) throw tooLarge();
    if (whole) chunk.copy(whole, size);
    else chunks.push(chunk);
    size += chunk.length;
  }
  if (!request.complete) throw new Refused(400, 'the document ended before its end');
  if (size === 0) throw new Refused(400, 'the body is empty: it must be the JSON document');
  return whole ?? Buffer.concat(chunks, size);
}
