/** The charts for evaluation fit each other. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

import {
  describeWithHelm,
  helmTimeoutMs,
  objectsIn,
  ofKind,
  root,
  tool,
  type K8sObject,
} from './render.js';

describeWithHelm('the demo', () => {
  let stores: K8sObject[];
  let services: K8sObject[];

  beforeAll(async () => {
    const { findOrInstallHelm } = await tool<{ findOrInstallHelm(): Promise<string> }>('helm');
    const helm = await findOrInstallHelm();
    const template = (...args: string[]): K8sObject[] => {
      const { status, stdout, stderr } = spawnSync(helm, ['template', ...args], {
        cwd: path.join(root, 'k8s'),
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(stderr);
      return objectsIn(stdout);
    };
    stores = template('spooled-demo', 'demo');
    services = template('spooled', 'chart', '--values', 'demo/spooled-values.yaml');
  }, helmTimeoutMs);

  it('has every key of every Secret that services want', () => {
    const [secret] = ofKind(stores, 'Secret');
    const containers = [...ofKind(services, 'Deployment'), ...ofKind(services, 'Job')].map(
      ({ spec }) => spec.template.spec.containers[0],
    );
    const wanted = containers.flatMap(({ env }) =>
      (env ?? []).flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []),
    );
    expect(wanted.length).toBeGreaterThan(10);
    for (const { name, key, optional } of wanted) {
      expect(name).toBe(secret!.metadata.name);
      if (!optional) expect(secret!.stringData[key]?.length).toBeGreaterThanOrEqual(32);
    }
  });

  it('has the servers that its URLs name', () => {
    const [secret] = ofKind(stores, 'Secret');
    const names = ofKind(stores, 'Service').map(({ metadata }) => metadata.name);
    for (const key of ['DATABASE_URL', 'NATS_URL'])
      expect(names).toContain(new URL(secret!.stringData[key]!).hostname);
  });
});
