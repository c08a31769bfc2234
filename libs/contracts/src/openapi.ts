import { z } from 'zod';
import { errorCatalogue, type ErrorCode } from './errors.js';
import { fullPath, type RouteAuth, type RouteSpec } from './route.js';
import { routes } from './routes.js';

/** OpenAPI 3.1 of every route, made from the same specs that the server binds. */
export function openApiDocument(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const spec of routes) {
    const path = fullPath(spec).replaceAll(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[spec.method.toLowerCase()] = operation(spec);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Spooled',
      version: '1',
      description: 'A multi-tenant job queue whose every state change can be watched live.',
    },
    paths,
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'API key or JWT access token' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        admin: { type: 'apiKey', in: 'header', name: 'X-Admin-Key' },
      },
      schemas: { Error: schemaOf(errorBody, 'output') },
    },
  };
}

const errorBody = z.object({
  code: z.string(),
  message: z.string(),
  error: z.string().optional(),
  details: z
    .array(z.object({ field: z.string(), message: z.string(), code: z.string() }))
    .optional(),
});

function operation(spec: RouteSpec): object {
  return {
    summary: spec.summary,
    tags: [spec.service],
    security: security(spec.auth),
    parameters: [...pathParameters(spec), ...queryParameters(spec)],
    ...(spec.body === undefined
      ? {}
      : {
          requestBody: {
            required: spec.bodyOptional !== true,
            content: { 'application/json': { schema: schemaOf(spec.body, 'input') } },
          },
        }),
    responses: { ...successes(spec), ...failures(spec) },
  };
}

function security(auth: RouteAuth): object[] {
  if (auth === 'public') return [];
  if (auth === 'admin') return [{ admin: [] }];
  return auth === 'jwt' ? [{ key: [] }] : [{ key: [] }, { apiKey: [] }];
}

function pathParameters(spec: RouteSpec): object[] {
  return [...spec.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(spec: RouteSpec): object[] {
  if (!(spec.query instanceof z.ZodObject)) return [];
  return Object.entries(spec.query.shape).map(([name, schema]) => ({
    name,
    in: 'query',
    schema: schemaOf(schema as z.ZodType, 'input'),
  }));
}

function successes(spec: RouteSpec): Record<string, object> {
  return Object.fromEntries(
    Object.entries(spec.responses).map(([status, body]) => [
      status,
      spec.isPaged === true ? { ...success(body), headers: PAGE_HEADERS } : success(body),
    ]),
  );
}

const PAGE_HEADERS = {
  'X-Has-More': {
    description: 'Whether another page follows this one.',
    schema: { type: 'string', enum: ['true', 'false'] },
  },
};

function success(body: z.ZodType | string | null): object {
  if (body === null) return { description: 'Done.' };
  if (typeof body === 'string') return { description: 'Done.', content: { [body]: {} } };
  return {
    description: 'Done.',
    content: { 'application/json': { schema: schemaOf(body, 'output') } },
  };
}

function failures(spec: RouteSpec): Record<string, object> {
  const codes = new Set<ErrorCode>([...(spec.errors ?? []), ...usualErrors(spec)]);
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = errorCatalogue[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, named]) => [
      String(status),
      {
        description: named.map((code) => `\`${code}\`: ${errorCatalogue[code].sentence}`).join(' '),
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    ]),
  );
}

function usualErrors(spec: RouteSpec): ErrorCode[] {
  if (spec.service === 'every') return [];
  const checked = spec.body !== undefined || spec.query !== undefined;
  return [
    ...(checked ? (['VALIDATION_ERROR'] as const) : []),
    ...(spec.auth === 'public' ? [] : (['UNAUTHORIZED'] as const)),
    ...(spec.auth === 'full-key' ? (['ACCESS_DENIED'] as const) : []),
    'RATE_LIMIT_EXCEEDED',
    'SERVICE_UNAVAILABLE',
  ];
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...written } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return written;
}
