import { z } from 'zod';
import { route } from '../route.js';

const service = 'every' as const;

/** What every service answers about itself, outside `/api/v1`. */
export const operationsApi = {
  health: route({
    service,
    method: 'GET',
    base: '',
    path: '/health',
    auth: 'public',
    summary: 'Always 200; says what works.',
    responses: {
      200: z.object({
        status: z.enum(['healthy', 'degraded']),
        version: z.string().nullable(),
        database: z.boolean(),
        cache: z.boolean(),
      }),
    },
  }),
  live: route({
    service,
    method: 'GET',
    base: '',
    path: '/health/live',
    auth: 'public',
    summary: 'The process is alive.',
    responses: { 200: null },
  }),
  ready: route({
    service,
    method: 'GET',
    base: '',
    path: '/health/ready',
    auth: 'public',
    summary: 'The service can work; 503 while its database is away or it drains.',
    responses: { 200: null, 503: null },
  }),
  metrics: route({
    service,
    method: 'GET',
    base: '',
    path: '/metrics',
    auth: 'public',
    summary: 'Prometheus text; wants `Authorization: Bearer <METRICS_TOKEN>` when that is set.',
    responses: { 200: 'text/plain; version=0.0.4; charset=utf-8' },
  }),
  openApi: route({
    service,
    method: 'GET',
    path: '/openapi.json',
    auth: 'public',
    summary: 'This description, as OpenAPI 3.1.',
    responses: { 200: 'application/json' },
    errors: ['RATE_LIMIT_EXCEEDED', 'SERVICE_UNAVAILABLE'],
  }),
  asyncApi: route({
    service,
    method: 'GET',
    path: '/asyncapi.json',
    auth: 'public',
    summary: 'The event streams, as AsyncAPI 3.0.',
    responses: { 200: 'application/json' },
    errors: ['RATE_LIMIT_EXCEEDED', 'SERVICE_UNAVAILABLE'],
  }),
};
