import { Injectable, type OnModuleInit } from '@nestjs/common';
import { API_BASE } from '@spooled/contracts';
import type { FastifyReply } from 'fastify';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { HttpServer } from './http-server.js';
import { TrafficControl } from './traffic-control.js';

const assets = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/** The page may run its own scripts and nothing else; swagger-ui sets inline styles. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Spooled API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;
const start = `SwaggerUIBundle({ url: '${API_BASE}/openapi.json', dom_id: '#swagger-ui', deepLinking: true });\n`;

/** The readable page of the API at `/docs`. */
@Injectable()
export class DocsPage implements OnModuleInit {
  constructor(
    private readonly http: HttpServer,
    private readonly traffic: TrafficControl,
  ) {}

  onModuleInit(): void {
    const { fastify } = this.http;
    const serve = (url: string, type: string, content: () => Promise<string> | string): void => {
      fastify.get(url, async ({ ip }, reply: FastifyReply) => {
        this.traffic.admitStranger('public', ip);
        return reply
          .header('content-security-policy', PAGE_POLICY)
          .header('cache-control', 'public, max-age=3600')
          .type(type)
          .send(await content());
      });
    };
    const file = (name: string) => () => readFile(path.join(assets, name), 'utf8');
    serve('/docs', 'text/html; charset=utf-8', () => page);
    serve('/docs/start.js', 'text/javascript; charset=utf-8', () => start);
    serve('/docs/swagger-ui.css', 'text/css; charset=utf-8', file('swagger-ui.css'));
    serve(
      '/docs/swagger-ui-bundle.js',
      'text/javascript; charset=utf-8',
      file('swagger-ui-bundle.js'),
    );
  }
}
