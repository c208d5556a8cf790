// The binary format of COPY, for one column of type bytea.

// A header, a row for each piece, and an end.
export async function* rows(pieces) {
  yield Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
  for await (const piece of pieces) {
    const head = Buffer.alloc(6);
    head.writeInt16BE(1, 0);
    head.writeInt32BE(piece.length, 2);
    yield head;
    yield piece;
  }
  yield Buffer.from([0xff, 0xff]);
}
