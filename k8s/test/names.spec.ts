/** Names that the chart and the rest of the repository must have in common. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

import {
  describeWithHelm,
  environments,
  helmTimeoutMs,
  ofKind,
  render,
  root,
  tool,
  type Alert,
} from './render.js';

const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

function sourcesIn(directory: string): string[] {
  return readdirSync(path.join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((file) => /(?<!\.spec)\.ts$/.test(file) && !/(^|\/)(node_modules|dist)\//.test(file))
    .map((file) => read(path.join(directory, file)));
}

/** Names in the schemas from which services read their environment. */
function variablesIn(sources: readonly string[]): Set<string> {
  const schemas = sources.filter((source) =>
    /from '@spooled\/config'|from '\.\/load-config/.test(source),
  );
  return new Set(
    schemas.flatMap((source) =>
      [...source.matchAll(/\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*):/g)].map(([, name]) => name!),
    ),
  );
}

/** Variables that OpenTelemetry's own libraries read. */
const ofTracing = read('docs/observability.md').match(/\bOTEL_[A-Z_]+\b/g) ?? [];

const alerts = (
  parse(read('k8s/chart/files/alerts.yaml')) as { groups: { rules: Alert[] }[] }
).groups.flatMap(({ rules }) => rules);

const documented = new Set(
  [...read('docs/metrics.md').matchAll(/^\| `(spooled_\w+)`/gm)].map(([, name]) => name!),
);

/** Metrics of ours, and those of every Node process, in an expression. */
function metricsIn(text: string): string[] {
  const names = text.match(/\b(spooled|nodejs|process)_\w+/g) ?? [];
  return names.map((name) =>
    documented.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''),
  );
}

const ofNode =
  /^(nodejs_eventloop_lag_p99_seconds|process_(cpu_seconds_total|resident_memory_bytes|start_time_seconds))$/;

function isKnown(name: string): boolean {
  return documented.has(name) || ofNode.test(name);
}

/** What is joined by `or`, in no order. */
function termsOf(expr: string): string[] {
  const terms = expr.replaceAll(/\s+/g, ' ').trim().split(' or ');
  return terms.sort();
}

describeWithHelm('the chart', () => {
  it.each(environments)(
    'sets nothing in %s that its service does not read',
    (environment) => {
      const ofPlatform = variablesIn(sourcesIn('libs/platform'));
      const objects = render(environment);
      for (const { spec } of ofKind(objects, 'Deployment')) {
        const [container] = spec.template.spec.containers;
        const isRead = new Set([
          ...ofPlatform,
          ...ofTracing,
          ...variablesIn(sourcesIn(`apps/${container.name}/src`)),
        ]);
        const config = ofKind(objects, 'ConfigMap').find(
          ({ metadata }) => metadata.name === container.envFrom[0].configMapRef.name,
        );
        const given = [
          ...Object.keys(config?.data ?? {}),
          ...(container.env ?? []).map(({ name }) => name),
        ];
        expect(given.length).toBeGreaterThan(5);
        expect([container.name, given.filter((name) => !isRead.has(name))]).toEqual([
          container.name,
          [],
        ]);
      }
    },
    helmTimeoutMs,
  );

  it('gives each Deployment a checksum of its environment, and nobody else’s', () => {
    const sums = ofKind(render('production'), 'Deployment').map(
      ({ spec }) => spec.template.metadata.annotations['checksum/config'],
    );
    expect(new Set(sums).size).toBe(7);
  });

  it('waits as long as the services drain', () => {
    const limit = /STOP_LIMIT_MS = (\d+)_000/.exec(read('libs/platform/runtime/src/bootstrap.ts'));
    const { serviceDefaults } = parse(read('k8s/chart/values.yaml')) as {
      serviceDefaults: { drainSeconds: number };
    };
    expect(serviceDefaults.drainSeconds).toBe(Number(limit?.[1]));
    expect(read('docker/compose.yaml')).toContain(`stop_grace_period: ${Number(limit?.[1]) + 5}s`);
  });

  it('scales by metrics that there are', () => {
    const names = ofKind(render('production'), 'HorizontalPodAutoscaler')
      .flatMap(({ spec }) => spec.metrics)
      .flatMap(({ pods }) => (pods ? [pods.metric.name] : []));
    expect(names).toHaveLength(3);
    expect(names.filter((name) => !isKnown(name))).toEqual([]);
  });

  it('tells Prometheus of every alert, with its page', () => {
    const [rule] = ofKind(render('production'), 'PrometheusRule');
    const given = rule!.spec.groups.flatMap(({ rules }) => rules);
    expect(given.map(({ alert }) => alert)).toEqual(alerts.map(({ alert }) => alert));
    const expected = Object.fromEntries(alerts.map(({ alert, expr }) => [alert, termsOf(expr)]));
    for (const { alert, annotations, expr } of given) {
      expect([alert, termsOf(expr)]).toEqual([alert, expected[alert]]);
      expect(annotations.runbook_url).toMatch(new RegExp(`^https://.*/docs/runbooks/${alert}.md$`));
      expect(annotations.summary).not.toBe('');
    }
  });

  it('gives Grafana the dashboards as they are', () => {
    const shown = ofKind(render('production'), 'ConfigMap').filter(
      ({ metadata }) => metadata.labels['grafana_dashboard'] === '1',
    );
    expect(shown).toHaveLength(2);
    for (const { data } of shown) {
      const [[name, text]] = Object.entries(data) as [[string, string]];
      expect(text).toBe(read(`k8s/chart/files/dashboards/${name}`));
    }
  });
});

describe('alerts', () => {
  it.each(alerts.map((each) => [each.alert, each] as const))('%s', (name, { expr, labels }) => {
    const metrics = metricsIn(expr);
    if (!expr.includes('up{')) expect(metrics.length).toBeGreaterThan(0);
    expect(metrics.filter((each) => !isKnown(each))).toEqual([]);
    expect(['critical', 'warning']).toContain(labels.severity);
    const page = read(`docs/runbooks/${name}.md`);
    for (const heading of [`# ${name}`, '## What it means', '## How to look', '## What to do'])
      expect(page).toContain(`${heading}\n`);
    expect(metricsIn(page).filter((each) => !isKnown(each))).toEqual([]);
  });

  it('have the only pages in docs/runbooks', () => {
    const pages = readdirSync(path.join(root, 'docs/runbooks')).filter(
      (each) => each !== 'README.md',
    );
    expect(pages.sort()).toEqual(alerts.map(({ alert }) => `${alert}.md`).sort());
  });
});

describe('dashboards', () => {
  it('are those that tools/k8s/dashboards.mjs writes, of metrics that there are', async () => {
    const { dashboardFiles } = await tool<{ dashboardFiles(): Record<string, string> }>(
      'dashboards',
    );
    const files = Object.entries(dashboardFiles());
    expect(files).toHaveLength(2);
    for (const [name, text] of files) {
      expect(read(`k8s/chart/files/dashboards/${name}`)).toBe(text);
      const metrics = metricsIn(text);
      expect(metrics.length).toBeGreaterThan(15);
      expect(metrics.filter((each) => !isKnown(each))).toEqual([]);
    }
  });
});
