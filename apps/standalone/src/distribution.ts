import type { Distribution } from '@spooled/postgres';

/** Where tables are when the database is distributed: by organization, but for these. */
export const distribution: Distribution = {
  column: 'organization_id',
  reference: {
    'auth.organization': 'the directory: one narrow row for each organization, whose id is its key',
    'auth.api_key':
      'a credential says whose it is only once it is found: its hash is unique over all organizations',
    'events.epoch': 'one row, of the installation, that every append reads',
    'workers.worker_owner':
      'a lease names only the worker, whose id clients choose: this narrow table alone knows whose it is',
  },
  local: {
    'auth.email_code': 'for addresses that belong to nobody yet; rows live for minutes',
    'auth.key_pepper': 'one row, of the installation, that is read when a process starts',
    'auth.stripe_event': 'what was heard of payment, until it is old; rows live for days',
    'auth.stripe_subscription':
      'one row for each paying customer, before it is known which organization that is',
    'public.spooled_migrations': 'what the schema is',
  },
};
