// Records to rows, for the two sources. Ids are md5, the cheapest there is: pg_opus makes UUIDv5.

import { createHash, hash } from 'node:crypto';

// `hash` came with Node.js 20.12 and is faster.
const md5 = hash ? (text) => hash('md5', text, 'hex') : (text) => createHash('md5').update(text).digest('hex');

const UNCLEAN = /^\s|\s$|\s\s|[\t-\r]/;
const clean = (text) => (UNCLEAN.test(text) ? text.trim().replace(/\s+/g, ' ') : text);
const orNull = (text) => (text ? clean(text) || null : null);

// Columns that the source has; the others stay null.
export const COLUMNS = {
  imslp: ['work_id', 'composer_id', 'title', 'catalogue_number', 'imslp_id', 'permlink'],
  openopus: ['work_id', 'composer_id', 'title', 'subtitle', 'genre', 'search_terms', 'popular', 'recommended'],
};

// The records of a document; those of the dump carry their composer's complete name.
export function records(source, document) {
  if (source === 'imslp') return document;
  return document.composers.flatMap((composer) =>
    composer.works.map((work) => ({ ...work, composer: clean(composer.complete_name) })),
  );
}

// Rows of records. `keys` are the composers' keys by complete name, which the dump needs.
export function transform(source, records, keys) {
  return source === 'imslp' ? records.map(imslp) : openopus(records, keys);
}

function imslp({ id, intvals, permlink }) {
  const { composer, worktitle, icatno, pageid } = intvals;
  return {
    work_id: md5(`imslp:${pageid ?? id}`),
    composer_id: composer.replaceAll(' ', '_'),
    title: clean(worktitle),
    catalogue_number: orNull(icatno),
    imslp_id: pageid === undefined ? null : Number(pageid),
    permlink: orNull(permlink),
  };
}

const BOOLEANS = new Map([['1', true], ['0', false], [true, true], [false, false]]);

function openopus(records, keys) {
  const counts = new Map();
  return records.map((record) => {
    const composer_id = keys.get(record.composer);
    const title = clean(record.title);
    const subtitle = orNull(record.subtitle);
    const equal = `openopus:${composer_id}/${title}/${subtitle ?? ''}/`;
    const count = counts.get(equal) ?? 0;
    counts.set(equal, count + 1);
    const terms = Array.isArray(record.searchterms) ? record.searchterms : (record.searchterms ?? '').split(',');
    const search_terms = terms.map(clean).filter(Boolean);
    return {
      work_id: md5(equal + count),
      composer_id,
      title,
      subtitle,
      genre: orNull(record.genre),
      search_terms: search_terms.length ? search_terms : null,
      popular: BOOLEANS.get(record.popular) ?? null,
      recommended: BOOLEANS.get(record.recommended) ?? null,
    };
  });
}
