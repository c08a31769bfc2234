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
