import { openApiDocument } from './openapi.js';
import { fullPath } from './route.js';
import { routes } from './routes.js';

interface Operation {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly security: readonly Record<string, unknown>[];
  readonly parameters: readonly { name: string; in: string; required?: boolean; schema: object }[];
  readonly requestBody?: { content: Record<string, { schema: object }> };
  readonly responses: Record<string, { description: string }>;
}
const document = openApiDocument() as {
  openapi: string;
  info: object;
  paths: Record<string, Record<string, Operation>>;
  components: { securitySchemes: Record<string, unknown>; schemas: Record<string, unknown> };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

describe('the OpenAPI document', () => {
  it('is plain JSON of version 3.1', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(document.info).toMatchObject({ title: 'Spooled', version: '1' });
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  });

  it('lists every route once, and nothing else', () => {
    const listed = operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    const bound = routes.map(
      (spec) => `${spec.method} ${fullPath(spec).replaceAll(/:(\w+)/g, '{$1}')}`,
    );
    expect(new Set(bound).size).toBe(bound.length);
    expect(listed.sort()).toEqual(bound.sort());
    for (const expected of [
      'POST /api/v1/jobs',
      'POST /api/v1/jobs/claim',
      'PUT /api/v1/queues/{name}/config',
      'POST /api/v1/auth/login',
      'POST /api/v1/organizations',
      'GET /api/v1/api-keys',
      'POST /api/v1/workers/register',
      'GET /api/v1/events',
      'GET /health',
    ]) {
      expect(listed).toContain(expected);
    }
  });

  it('describes each operation completely', () => {
    for (const { path, operation } of operations) {
      expect(operation.summary.length).toBeGreaterThan(5);
      expect(operation.tags).toHaveLength(1);
      const inPath = operation.parameters.filter((parameter) => parameter.in === 'path');
      expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
      for (const parameter of operation.parameters) {
        expect(['path', 'query']).toContain(parameter.in);
        expect(typeof parameter.schema).toBe('object');
      }
      const statuses = Object.keys(operation.responses);
      expect(statuses.some((status) => /^[1-3]\d\d$/.test(status))).toBe(true);
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[1-5]\d\d$/);
        expect(response.description.length).toBeGreaterThan(0);
      }
      for (const scheme of operation.security.flatMap((one) => Object.keys(one))) {
        expect(document.components.securitySchemes).toHaveProperty(scheme);
      }
    }
  });

  it('points only at schemas it holds', () => {
    const references = JSON.stringify(document).matchAll(
      /"\$ref":"#\/components\/schemas\/([^"]+)"/g,
    );
    for (const [, name] of references) expect(document.components.schemas).toHaveProperty(name!);
  });

  it('says what a caller must send', () => {
    const create = document.paths['/api/v1/jobs']!['post']!;
    expect(create.requestBody!.content['application/json']!.schema).toMatchObject({
      type: 'object',
      required: expect.arrayContaining(['queue_name']),
      properties: { priority: { type: 'integer', minimum: -100, maximum: 100 } },
    });
    expect(Object.keys(create.responses)).toEqual(
      expect.arrayContaining(['200', '201', '400', '401', '403', '409', '413', '429', '503']),
    );
  });
});
