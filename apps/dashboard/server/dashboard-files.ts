import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpServer } from '@spooled/http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { fileURLToPath } from 'node:url';
import { readBuiltFiles, type BuiltFile } from './built-files.js';

/** The page runs its own scripts and talks to its own server, WebSocket included; nothing else. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** Paths that are the server's: what is unknown below them is answered as everywhere, in JSON. */
const SERVER_PATHS = /^\/(api|docs|health|metrics|assets)(\/|$)/;

/**
 * The dashboard at `/`, from what Vite builds beside this file. It is nobody's secret: no credential is asked for and no limit
 * counts it.
 */
@Injectable()
export class DashboardFiles implements OnModuleInit {
  constructor(private readonly http: HttpServer) {}

  async onModuleInit(): Promise<void> {
    const files = await readBuiltFiles(fileURLToPath(new URL('page', import.meta.url)));
    const page = files.get('/index.html');
    if (page === undefined) throw new Error('the dashboard was built without its index.html');
    const { fastify } = this.http;
    for (const [url, file] of files) {
      if (file !== page) fastify.get(url, (request, reply) => send(file, request, reply));
    }
    const open = (request: FastifyRequest, reply: FastifyReply) =>
      isPage(request) ? send(page, request, reply) : reply.callNotFound();
    fastify.get('/', (request, reply) => send(page, request, reply));
    // Every path that a browser navigates to is a place inside the dashboard, which says so when it knows none.
    fastify.get('/*', open);
  }
}

function isPage({ url, headers }: FastifyRequest): boolean {
  return !SERVER_PATHS.test(url) && headers.accept?.includes('text/html') === true;
}

function send(file: BuiltFile, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { type, body, gzipped, etag, isImmutable } = file;
  void reply
    .header('content-security-policy', PAGE_POLICY)
    .header('cache-control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
    .header('etag', etag)
    .header('vary', 'accept-encoding');
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  void reply.type(type);
  const isGzipTaken = /\bgzip\b/.test(String(request.headers['accept-encoding']));
  if (gzipped === undefined || !isGzipTaken) return reply.send(body);
  return reply.header('content-encoding', 'gzip').send(gzipped);
}
