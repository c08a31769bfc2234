import { onCleanUp, testDatabase } from '@spooled/testing';
import pg from 'pg';

import { breaksBetween, readSchema, type Schema } from './schema.js';

describe('a migration', () => {
  let client: pg.Client;
  let before: Schema;

  beforeAll(async () => {
    const { url } = await testDatabase({ isEmpty: true });
    client = new pg.Client({ connectionString: url });
    await client.connect();
    onCleanUp(() => client.end());
    await client.query(`
      create schema shop;
      create table shop.item (
        id integer primary key, name text not null default 'none', note text, amount bigint check (amount > 0));
      create view shop.named as select id, name from shop.item;
      create function shop.count() returns bigint language sql as 'select count(*) from shop.item';
      grant select, insert on shop.item to pg_monitor`);
    before = await readSchema(client);
  });

  async function after(migration: string): Promise<string[]> {
    await client.query('begin');
    try {
      await client.query(migration);
      return breaksBetween(before, await readSchema(client));
    } finally {
      await client.query('rollback');
    }
  }

  it.each([
    'create table shop.bill (id integer primary key, item integer not null references shop.item)',
    'alter table shop.item add column colour text',
    `alter table shop.item add column colour text not null default 'red'`,
    'alter table shop.item add column number bigint generated always as identity',
    `alter table shop.item add column colour text unique check (colour <> '')`,
    'alter table shop.item alter column amount set default 1',
    'create index on shop.item (note)',
    'grant update on shop.item to pg_monitor',
    `create or replace function shop.count() returns bigint language sql as 'select 0::bigint'`,
  ])('that only adds breaks nothing: %s', async (migration) => {
    expect(await after(migration)).toEqual([]);
  });

  it.each([
    'drop table shop.item cascade',
    'alter table shop.item rename to thing',
    'alter table shop.item drop column note',
    'alter table shop.item rename column note to remark',
    'alter table shop.item alter column amount type integer',
    'alter table shop.item alter column note set not null',
    'alter table shop.item alter column name drop default',
    'alter table shop.item add column colour text not null',
    `alter table shop.item add constraint short check (note <> '')`,
    'alter table shop.item drop constraint item_amount_check, add check (amount > 10)',
    'create unique index on shop.item (name)',
    'alter table shop.item drop constraint item_pkey',
    'drop view shop.named',
    'drop function shop.count()',
    'revoke insert on shop.item from pg_monitor',
  ])('that takes or demands something is found: %s', async (migration) => {
    expect(await after(migration)).not.toEqual([]);
  });
});
