import type { ComponentType } from 'react';

import type { IconName } from '../ui/icon.js';

export interface PageEntry {
  /** A wouter pattern; parameters are read with `useParams`. */
  readonly path: string;
  readonly title: string;
  /** Where it is in the navigation; left out: it is reached from another page. */
  readonly nav?: { readonly group: 'Watch' | 'Work' | 'Organization'; readonly icon: IconName };
  /** The server refuses it to keys with a queue scope, so they are not offered it. */
  readonly isForUnrestricted?: boolean;
  /** The module exports its component as `Page`. It is fetched when it is first opened. */
  readonly load: () => Promise<{ readonly Page: ComponentType }>;
}

/* prettier-ignore -- one line per page, so that two people can add one each. */
export const pages: readonly PageEntry[] = [
  {
    path: '/',
    title: 'Overview',
    nav: { group: 'Watch', icon: 'pulse' },
    load: () => import('../pages/overview/overview.page.js'),
  },
  {
    path: '/jobs',
    title: 'Jobs',
    nav: { group: 'Watch', icon: 'list' },
    load: () => import('../pages/jobs/jobs.page.js'),
  },
  { path: '/jobs/:id', title: 'Job', load: () => import('../pages/job/job.page.js') },
  {
    path: '/queues',
    title: 'Queues',
    nav: { group: 'Watch', icon: 'layers' },
    load: () => import('../pages/queues/queues.page.js'),
  },
  { path: '/queues/:name', title: 'Queue', load: () => import('../pages/queue/queue.page.js') },
  {
    path: '/workers',
    title: 'Workers',
    nav: { group: 'Watch', icon: 'cpu' },
    load: () => import('../pages/workers/workers.page.js'),
  },
  {
    path: '/dead-letters',
    title: 'Dead letters',
    nav: { group: 'Work', icon: 'inbox' },
    load: () => import('../pages/dead-letters/dead-letters.page.js'),
  },
  {
    path: '/schedules',
    title: 'Schedules',
    nav: { group: 'Work', icon: 'clock' },
    load: () => import('../pages/schedules/schedules.page.js'),
  },
  {
    path: '/schedules/:id',
    title: 'Schedule',
    load: () => import('../pages/schedule/schedule.page.js'),
  },
  {
    path: '/workflows',
    title: 'Workflows',
    nav: { group: 'Work', icon: 'graph' },
    load: () => import('../pages/workflows/workflows.page.js'),
  },
  {
    path: '/workflows/:id',
    title: 'Workflow',
    load: () => import('../pages/workflow/workflow.page.js'),
  },
  {
    path: '/webhooks',
    title: 'Webhooks',
    nav: { group: 'Organization', icon: 'send' },
    isForUnrestricted: true,
    load: () => import('../pages/webhooks/webhooks.page.js'),
  },
  {
    path: '/webhooks/:id',
    title: 'Webhook',
    isForUnrestricted: true,
    load: () => import('../pages/webhook/webhook.page.js'),
  },
  {
    path: '/api-keys',
    title: 'API keys',
    nav: { group: 'Organization', icon: 'key' },
    isForUnrestricted: true,
    load: () => import('../pages/api-keys/api-keys.page.js'),
  },
  {
    path: '/usage',
    title: 'Usage and plan',
    nav: { group: 'Organization', icon: 'gauge' },
    isForUnrestricted: true,
    load: () => import('../pages/usage/usage.page.js'),
  },
  {
    path: '/audit',
    title: 'Audit trail',
    nav: { group: 'Organization', icon: 'book' },
    isForUnrestricted: true,
    load: () => import('../pages/audit/audit.page.js'),
  },
];
