// A document as it comes: pieces of bytes, neither parsed nor made strings.

import { Refused } from './errors.js';

const LONGEST_TEXT = 1024 ** 3 - 1024;

// The pieces of a request's body; at most `limit` bytes of them.
export async function* body(request, limit) {
  const tooLarge = () => new Refused(413, `the document has more than ${limit} bytes`);
  if (Number(request.headers['content-length'] ?? NaN) > limit) throw tooLarge();
  if (request.headers['content-encoding'] && request.headers['content-encoding'] !== 'identity') {
    throw new Refused(415, 'the document must not be compressed');
  }
  let size = 0;
  // Whoever stops reading still answers on the same connection.
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    size += piece.length;
    if (size > limit) throw tooLarge();
    yield piece;
  }
  if (!request.complete) throw new Refused(400, 'the document ended before its end');
  if (size === 0) throw new Refused(400, 'the body is empty: it must be the JSON document');
}

// All pieces in one, for who needs the document whole; at most what a text of PostgreSQL has.
export async function whole(pieces) {
  const held = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > LONGEST_TEXT) throw new Refused(413, `the document has more than ${LONGEST_TEXT} bytes`);
    held.push(piece);
  }
  return Buffer.concat(held, size);
}
