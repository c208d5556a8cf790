// The table works, as Drizzle ORM wants to know it.

import { bigint, boolean, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';

export const works = pgTable('works', {
  work_id: uuid().primaryKey(),
  composer_id: text().notNull(),
  title: text().notNull(),
  subtitle: text(),
  genre: text(),
  catalogue_number: text(),
  search_terms: text().array(),
  popular: boolean(),
  recommended: boolean(),
  imslp_id: bigint({ mode: 'number' }),
  openopus_id: integer(),
  permlink: text(),
});
