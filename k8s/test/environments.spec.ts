/** What every environment must keep to. */
import {
  describeWithHelm,
  environments,
  helmTimeoutMs,
  k8s,
  render,
  tool,
  type Container,
  type K8sObject,
  type PodSpec,
} from './render.js';

interface Policy {
  problemsOf(objects: readonly K8sObject[], environment: string): string[];
}

/** Objects without what differs between a release of everything and one of a part. */
function byName(objects: readonly K8sObject[]): Record<string, K8sObject> {
  return Object.fromEntries(objects.map((each) => [`${each.kind} ${each.metadata.name}`, each]));
}

describeWithHelm('environments', () => {
  let policy: Policy;
  beforeAll(async () => {
    policy = await tool<Policy>('policy');
  });

  it(
    'are clean: lint, render, schemas where they are known, policy',
    () => {
      const { status, stdout, stderr } = k8s(['check']);
      expect(`${stdout}${stderr}`).toMatch(/dev: \d+ objects, 0 problems/);
      expect(status).toBe(0);
    },
    helmTimeoutMs,
  );

  it.each(environments)(
    '%s has every service, its objects and its migration',
    (environment) => {
      const objects = byName(render(environment));
      for (const service of [
        'auth',
        'job-api',
        'worker-registry',
        'scheduler',
        'webhook-dispatcher',
        'realtime-gateway',
        'dashboard',
      ]) {
        for (const kind of [
          'Deployment',
          'Service',
          'ServiceAccount',
          'ConfigMap',
          'NetworkPolicy',
        ])
          expect(objects).toHaveProperty([`${kind} spooled-${service}`]);
        const hasSchema = service !== 'realtime-gateway' && service !== 'dashboard';
        expect(`Job spooled-${service}-migration` in objects).toBe(hasSchema);
      }
    },
    helmTimeoutMs,
  );

  it(
    'production in parts is production as a whole',
    () => {
      const { stderr } = k8s(['render', 'production', 'nothing']);
      const parts = /it has (.*)\./.exec(stderr)?.[1]?.split(', ') ?? [];
      expect(parts).toHaveLength(8);
      const inParts = parts.flatMap((part) => render('production', part));
      expect(byName(inParts)).toEqual(byName(render('production')));
      expect(inParts).toHaveLength(render('production').length);
    },
    helmTimeoutMs,
  );

  it(
    'a part has nothing of another service',
    () => {
      const components = new Set(
        render('production', 'worker-registry').map(
          ({ metadata }) => metadata.labels['app.kubernetes.io/component'],
        ),
      );
      expect(components).toEqual(new Set(['worker-registry', 'migration']));
    },
    helmTimeoutMs,
  );

  it.each(environments)(
    '%s gives the dashboard no secret, no store, and no way out but to names',
    (environment) => {
      const objects = byName(render(environment));
      const { containers } = objects['Deployment spooled-dashboard']!.spec.template.spec;
      expect(containers[0].env).toBeUndefined();
      const given = Object.keys(objects['ConfigMap spooled-dashboard']!.data);
      expect(given.filter((name) => /^(DATABASE|NATS)_URL$|^OTEL_/.test(name))).toEqual([]);
      const { egress } = objects['NetworkPolicy spooled-dashboard']!.spec;
      const ports = egress.map((rule) => (rule as { ports: { port: number }[] }).ports);
      expect(ports.flat().map(({ port }) => port)).toEqual([53, 53]);
      expect(objects).not.toHaveProperty(['Job spooled-dashboard-migration']);
    },
    helmTimeoutMs,
  );

  it.each<[string, string, (objects: Record<string, K8sObject>) => void]>([
    ['not pinned', 'is not pinned by digest', (all) => (container(all).image = 'r/job-api:1.0.0')],
    ['latest', 'changes without notice', (all) => (container(all).image = 'r/job-api:latest')],
    ['greedy', 'has no limit of memory', (all) => delete container(all).resources.limits],
    ['root', 'may run as root', (all) => delete pod(all).securityContext.runAsNonRoot],
    [
      'writing',
      'may write',
      (all) => (container(all).securityContext.readOnlyRootFilesystem = false),
    ],
    ['capable', 'keeps capabilities', (all) => delete container(all).securityContext.capabilities],
    ['trusted', 'gets a token', (all) => (pod(all).automountServiceAccountToken = true)],
    ['blind', 'lacks a probe', (all) => delete container(all).livenessProbe],
    [
      'fragile',
      'is restarted while its database is away',
      (all) => (container(all).livenessProbe!.httpGet.path = '/health/ready'),
    ],
    [
      'unguarded',
      'no PodDisruptionBudget',
      (all) => delete all['PodDisruptionBudget spooled-job-api'],
    ],
    ['open', 'has no NetworkPolicy', (all) => delete all['NetworkPolicy spooled-job-api']],
    [
      'telling',
      'JWT_SECRET is given as plain text',
      (all) => container(all).env?.push({ name: 'JWT_SECRET', value: 'x' }),
    ],
    [
      'telling in its ConfigMap',
      'SMTP_URL is given as plain text',
      (all) => (all['ConfigMap spooled-job-api']!.data.SMTP_URL = 'smtp://u:p@h'),
    ],
    [
      'calling home',
      'reach the internet',
      (all) =>
        all['NetworkPolicy spooled-job-api']!.spec.egress.push({
          to: [{ ipBlock: { cidr: '0.0.0.0/0' } }],
        }),
    ],
    [
      'carrying secrets',
      'a Secret',
      (all) => (all['x'] = { ...all['ConfigMap spooled-auth']!, kind: 'Secret' }),
    ],
    [
      'alone',
      'has one pod only',
      (all) => (all['Deployment spooled-scheduler']!.spec.replicas = 1),
    ],
  ])('policy refuses a service that is %s', (_, problem, spoil) => {
    const objects = structuredClone(byName(render('production')));
    spoil(objects);
    const problems = policy.problemsOf(Object.values(objects), 'production');
    expect(problems).toContainEqual(expect.stringContaining(problem));
  });
});

function pod(objects: Record<string, K8sObject>): PodSpec {
  return objects['Deployment spooled-job-api']!.spec.template.spec;
}

function container(objects: Record<string, K8sObject>): Container {
  return pod(objects).containers[0];
}
