/** Whatever clients ask for reaches the service that owns it, by every way in. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fullPath, routes, type RouteSpec } from '@spooled/contracts';

import {
  describeWithHelm,
  helmTimeoutMs,
  ofKind,
  render,
  root,
  type K8sObject,
  type MatchType,
} from './render.js';

interface Match {
  readonly type: MatchType;
  readonly path: string;
  readonly service: string;
}

const grpcOwners = {
  'spooled.v1.QueueService': 'job-api',
  'spooled.v1.WorkerService': 'worker-registry',
  'spooled.v1.EventService': 'realtime-gateway',
};

/** Of routes that every service has, the one whose answer is shown. */
const shown = routes.filter((spec) => fullPath(spec) !== '/metrics').filter(isOutside);

/** Probes are asked inside the cluster; `/health` alone says outside how things are. */
function isOutside(spec: RouteSpec): boolean {
  return !['/health/live', '/health/ready'].includes(fullPath(spec));
}

function owner({ service }: RouteSpec): string {
  return service === 'every' ? 'job-api' : service;
}

function sample(spec: RouteSpec): string {
  return fullPath(spec).replaceAll(/:\w+/g, '0195-some-id');
}

/** As Ingress and Gateway API decide: the exact path, then the longest prefix of whole segments. */
function target(matches: readonly Match[], asked: string): string | undefined {
  const exact = matches.find(({ type, path: own }) => type === 'Exact' && own === asked);
  if (exact) return exact.service;
  const prefixes = matches
    .filter(
      ({ type, path: own }) => type !== 'Exact' && `${asked}/`.startsWith(own.replace(/\/*$/, '/')),
    )
    .sort((one, other) => other.path.length - one.path.length);
  return prefixes[0]?.service;
}

function ingressMatches(objects: readonly K8sObject[], port: 'http' | 'grpc'): Match[] {
  return ofKind(objects, 'Ingress')
    .flatMap(({ spec }) => spec.rules[0].http.paths)
    .filter(({ backend }) => backend.service.port.name === port)
    .map(({ path: own, pathType, backend }) => ({
      type: pathType,
      path: own,
      service: backend.service.name.replace(/^spooled-/, ''),
    }));
}

function httpRouteMatches(objects: readonly K8sObject[]): Match[] {
  return ofKind(objects, 'HTTPRoute')
    .flatMap(({ spec }) => spec.rules)
    .flatMap(({ matches, backendRefs: [{ name, port }] }) => {
      expect(port).toBe(8080);
      return matches.map((match) => ({
        type: match.path.type,
        path: match.path.value,
        service: name.replace(/^spooled-/, ''),
      }));
    });
}

function nginxTarget(variable: string, asked: string): string | undefined {
  const conf = readFileSync(path.join(root, 'docker/nginx.conf'), 'utf8');
  const block = new RegExp(`map \\$uri \\$${variable} \\{([^]*?)\\n  \\}`).exec(conf)?.[1] ?? '';
  const lines = [...block.matchAll(/^\s*(?:~(\S+)|(default))\s+([\w-]+):\d+;/gm)];
  const line = lines.find(([, pattern]) => pattern && new RegExp(pattern).test(asked));
  return (line ?? lines.find(([, , isDefault]) => isDefault))?.[3];
}

describeWithHelm('routing', () => {
  it.each([
    ['Ingress', () => ingressMatches(render('staging'), 'http')],
    ['HTTPRoute', () => httpRouteMatches(render('production'))],
  ])(
    'by %s sends every route to its owner',
    (_, read) => {
      const matches = read();
      expect(shown.length).toBeGreaterThan(80);
      for (const spec of shown) {
        expect([sample(spec), target(matches, sample(spec))]).toEqual([sample(spec), owner(spec)]);
      }
      expect(target(matches, '/api/v1/no-such-thing')).toBe('job-api');
      expect(target(matches, '/docs/start.js')).toBe('job-api');
      // What nobody else owns is a place inside the page; of `/metrics` its process tells nothing (apps/dashboard/test).
      for (const page of ['/', '/jobs/0195-some-id', '/assets/index.js', '/documents', '/metrics'])
        expect([page, target(matches, page)]).toEqual([page, 'dashboard']);
    },
    helmTimeoutMs,
  );

  it('sends every gRPC service to its owner, and no other', () => {
    const byIngress = ingressMatches(render('staging'), 'grpc');
    const byGateway = ofKind(render('production'), 'GRPCRoute')
      .flatMap(({ spec }) => spec.rules)
      .map(({ matches, backendRefs: [{ name, port }] }) => {
        expect(port).toBe(50051);
        return [matches[0]!.method.service, name.replace(/^spooled-/, '')];
      });
    for (const [service, owning] of Object.entries(grpcOwners)) {
      expect(target(byIngress, `/${service}/AnyMethod`)).toBe(owning);
    }
    expect(Object.fromEntries(byGateway)).toEqual(grpcOwners);
    expect(byIngress).toHaveLength(Object.keys(grpcOwners).length);
  });

  it('lets streams last, and gives requests longer than the longest claim', () => {
    const streams = ofKind(render('staging'), 'Ingress').find(
      ({ metadata }) => metadata.name === 'spooled-streams',
    );
    expect(streams?.spec.rules[0].http.paths.map((each) => each.path)).toEqual([
      '/api/v1/ws',
      '/api/v1/events',
    ]);
    expect(streams?.metadata.annotations).toMatchObject({
      'nginx.ingress.kubernetes.io/proxy-buffering': 'off',
      'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600',
    });
    const timeouts = ofKind(render('production'), 'HTTPRoute')
      .flatMap(({ spec }) => spec.rules)
      .map((rule) => [rule.matches[0]!.path.value, rule.timeouts.request]);
    for (const [first, timeout] of timeouts) {
      expect(timeout).toBe(first === '/api/v1/ws' ? '0s' : '60s');
    }
  });
});

it('nginx of the single server sends every route and gRPC service to its owner', () => {
  for (const spec of shown) {
    expect([sample(spec), nginxTarget('service', sample(spec))]).toEqual([
      sample(spec),
      owner(spec),
    ]);
  }
  for (const page of ['/', '/jobs/0195-some-id', '/assets/index.js'])
    expect(nginxTarget('service', page)).toBe('dashboard');
  for (const [service, owning] of Object.entries(grpcOwners)) {
    expect(nginxTarget('grpc_service', `/${service}/AnyMethod`)).toBe(owning);
  }
});
