// What went wrong, as an answer: 400 where the client can mend it, 500 for the rest.

// What the server itself refuses, with its status.
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Classes of SQLSTATE (data exception, integrity constraint violation), and the code of a field of the wrong type.
const BAD_DATA = /^(22|23|42804)/;

// Express's handler of errors.
export function answer(error, request, response, next) {
  if (response.headersSent) return next(error);
  // Nobody reads the rest of the body.
  request.resume();
  if (error instanceof Refused) {
    // What is left of the body is not waited for.
    if (!request.complete) response.set('Connection', 'close');
    return response.status(error.status).json({ error: error.message });
  }
  const bad = BAD_DATA.test(error.code ?? '');
  if (!bad) console.error(`${request.method} ${request.originalUrl}: ${error.message}`);
  const { record, path } = place(error);
  return response.status(bad ? 400 : 500).json({
    error: error.message || String(error),
    detail: error.detail,
    hint: error.hint,
    record,
    path,
    sqlstate: error.code,
  });
}

// Which record, counted from 0, and where in the document. What the extension refuses it names in the message
// ("record 1, line 2: missing value at $[1].title"), what the database refuses in the last line of the context
// ("inbox, record 1, line 2, $[1]: {…").
function place(error) {
  const said =
    /^record (?<record>[0-9]+)(?:, line [0-9]+)?: .* at (?<path>\$.*)$/s.exec(error.message ?? '') ??
    /^(?:inbox|load_composers|load_works), record (?<record>[0-9]+)(?:, line [0-9]+)?, (?<path>\$(?:\[[0-9]+\]|\."(?:[^"\\]|\\.)*"|\.[^\s."[\]:]+)*)/m.exec(
      error.where ?? '',
    );
  if (!said) return {};
  return { record: Number(said.groups.record), path: said.groups.path };
}
