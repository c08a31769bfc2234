/** What is there only when values want it. */
import {
  describeWithHelm,
  enough,
  helmTimeoutMs,
  objectsIn,
  ofKind,
  template,
  type K8sObject,
} from './render.js';

async function objects(...values: readonly string[]): Promise<K8sObject[]> {
  const { status, stdout, stderr } = await template(...enough, ...values);
  if (status !== 0) throw new Error(stderr);
  return objectsIn(stdout);
}

const named = (all: readonly K8sObject[], kind: string, name: string): K8sObject =>
  ofKind(all, kind).find(({ metadata }) => metadata.name === `spooled-${name}`)!;

describeWithHelm('traces', () => {
  const toCollector = {
    ports: [{ protocol: 'TCP', port: 4318 }],
    to: [{ namespaceSelector: { matchLabels: { name: 'observability' } } }],
  };
  const recorded = [
    'tracing.endpoint=http://collector.observability:4318',
    'networkPolicy.collector.to[0].namespaceSelector.matchLabels.name=observability',
  ];
  const headers = 'OTEL_EXPORTER_OTLP_HEADERS';

  it(
    'are nothing to a pod or a policy until there is a collector',
    async () => {
      const { stdout } = await template(...enough, recorded[1]!);
      expect(stdout).toContain('kind: Deployment');
      expect(stdout).not.toMatch(/OTEL_|4318|observability/);
    },
    helmTimeoutMs,
  );

  it(
    'go from every service that records any to the collector, under the name that metrics have',
    async () => {
      const all = await objects(...recorded, 'tracing.samplingRatio=0.05');
      const services = ofKind(all, 'Deployment').map(({ metadata }) =>
        metadata.name.replace('spooled-', ''),
      );
      expect(services).toHaveLength(7);
      for (const service of services.filter((each) => each !== 'dashboard')) {
        expect(named(all, 'ConfigMap', service).data).toMatchObject({
          OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.observability:4318',
          OTEL_SERVICE_NAME: `spooled-${service}`,
          OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
          OTEL_TRACES_SAMPLER_ARG: '0.05',
        });
        expect(named(all, 'NetworkPolicy', service).spec.egress).toContainEqual(toCollector);
        expect(secretsOf(all, service)).not.toHaveProperty(headers);
      }
      const { data } = named(all, 'ConfigMap', 'dashboard');
      expect(Object.keys(data).filter((name) => name.startsWith('OTEL_'))).toEqual([]);
      const { egress } = named(all, 'NetworkPolicy', 'dashboard').spec;
      expect(egress).not.toContainEqual(toCollector);
    },
    helmTimeoutMs,
  );

  it(
    'are sampled as a service says, and sent with headers from a Secret',
    async () => {
      const all = await objects(
        ...recorded,
        'services.job-api.env.OTEL_TRACES_SAMPLER_ARG=0\\.001',
        'tracing.headers.existingSecret=collector',
        'tracing.headers.key=headers',
      );
      const ratio = (service: string) =>
        named(all, 'ConfigMap', service).data['OTEL_TRACES_SAMPLER_ARG'];
      expect([ratio('job-api'), ratio('auth')]).toEqual(['0.001', '1']);
      const given = { name: 'collector', key: 'headers' };
      expect(secretsOf(all, 'job-api')).toMatchObject({ [headers]: given });
      expect(secretsOf(all, 'dashboard')).toEqual({});
    },
    helmTimeoutMs,
  );
});

/** Where the secrets in a service's environment are, by the names of the variables. */
function secretsOf(all: readonly K8sObject[], service: string): Record<string, unknown> {
  const [{ env = [] }] = named(all, 'Deployment', service).spec.template.spec.containers;
  return Object.fromEntries(env.map(({ name, valueFrom }) => [name, valueFrom?.secretKeyRef]));
}

describeWithHelm('an installation without the dashboard', () => {
  it(
    'has nothing of it, tests none and misses none',
    async () => {
      const values = ['ingress.enabled=true', 'ingress.host=a.b', 'monitoring.rules.enabled=true'];
      expect(JSON.stringify(await objects(...values))).toContain('spooled-dashboard');
      const all = await objects(...values, 'services.dashboard.enabled=false');
      expect(ofKind(all, 'PrometheusRule')).toHaveLength(1);
      expect(JSON.stringify(all)).not.toContain('spooled-dashboard');
    },
    helmTimeoutMs,
  );
});

describeWithHelm('a token of scrapers', () => {
  it(
    'is shown to the services that know it',
    async () => {
      const all = await objects('monitoring.podMonitor.enabled=true', 'monitoring.authorized=true');
      const shown = (service: string) =>
        JSON.stringify(named(all, 'PodMonitor', service)).includes('METRICS_TOKEN');
      expect([shown('job-api'), shown('dashboard')]).toEqual([true, false]);
    },
    helmTimeoutMs,
  );
});
