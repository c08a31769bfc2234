/** What `npm run k8s` asks of helm, by a helm that only writes it down. */
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { k8s, root } from './render.js';

const services = [
  'auth',
  'dashboard',
  'job-api',
  'realtime-gateway',
  'scheduler',
  'webhook-dispatcher',
  'worker-registry',
];
const digest = `sha256:${'a'.repeat(64)}`;

describe('the command', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'spooled-k8s-test-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** @param answers what it prints, by the first two words it is called with. */
  function fakeHelm({ version = 'v4.3.2', fails = '' } = {}) {
    const file = path.join(directory, 'helm');
    const lines = [
      '#!/bin/sh',
      `case "$1" in version) printf ${version}; exit 0;; esac`,
      `echo "$@" >> ${directory}/calls`,
      `case "$3" in '${fails}') echo boom >&2; exit 1;; esac`,
      'case "$1" in',
      `  get) case "$3" in spooled-auth) printf 'kind: A\\n---\\nkind: B\\n';; *) echo 'release: not found' >&2; exit 1;; esac;;`,
      `  template) printf 'kind: B\\n---\\nkind: A\\n';;`,
      'esac',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    chmodSync(file, 0o755);
    const calls = () => readFileSync(path.join(directory, 'calls'), 'utf8').trim().split('\n');
    return { env: { HELM_BIN: file }, calls };
  }

  it('rolls out one service, to its cluster, carefully', () => {
    const { env, calls } = fakeHelm();
    const { status } = k8s(['rollout', 'dev', 'worker-registry'], env);
    expect(status).toBe(0);
    const [call, ...others] = calls();
    expect(others).toEqual([]);
    expect(call).toMatch(/^upgrade --install spooled-worker-registry \S+\/k8s\/chart /);
    for (const part of [
      '--kube-context spooled-dev --namespace spooled',
      '--rollback-on-failure --wait',
      'k8s/environments/dev/values.yaml',
      ...services.map((each) => `k8s/environments/dev/services/${each}.yaml`),
      '--set part=worker-registry',
    ])
      expect(call).toContain(part);
  });

  it('rolls out everything, what is shared first, and stops where it fails', () => {
    const { env, calls } = fakeHelm({ version: 'v3.18.0', fails: 'spooled-realtime-gateway' });
    expect(k8s(['rollout', 'dev'], env).status).toBe(1);
    const releases = calls().map((call) => call.split(' ')[2]);
    expect(releases).toEqual([
      'spooled-shared',
      'spooled-auth',
      'spooled-dashboard',
      'spooled-job-api',
      'spooled-realtime-gateway',
    ]);
    expect(calls()[0]).toContain('--atomic --wait');
  });

  it('rolls out nothing while an image was never pinned', () => {
    const { env, calls } = fakeHelm();
    const { status, stderr } = k8s(['rollout', 'production'], env);
    expect(status).toBe(1);
    for (const service of services)
      expect(stderr).toContain(`npm run k8s -- pin production ${service} sha256:…`);
    expect(calls).toThrow('ENOENT');
  });

  it('shows what would change, whatever the order, and what is not there yet', () => {
    const { env } = fakeHelm();
    expect(k8s(['diff', 'dev', 'auth'], env)).toMatchObject({
      status: 0,
      stdout: 'Nothing would change.\n',
    });
    const { stdout } = k8s(['diff', 'dev', 'job-api'], env);
    expect(stdout).toContain('+kind: A');
    expect(stdout).toContain('^ release spooled-job-api');
  });

  it('pins an image, and leaves the rest of the file as it is', () => {
    cpSync(path.join(root, 'k8s/environments'), directory, { recursive: true });
    const file = path.join(directory, 'dev/services/auth.yaml');
    const before = readFileSync(file, 'utf8');
    expect(k8s(['pin', 'dev', 'auth', digest], { K8S_ENVIRONMENTS: directory }).status).toBe(0);
    const expected = before.replace('tag: main', `tag: main, digest: ${digest}`);
    const withoutSpace = (text: string): string => text.replaceAll(/\s+/g, '');
    expect(withoutSpace(readFileSync(file, 'utf8'))).toBe(withoutSpace(expected));
  });

  it.each([
    [['pin', 'dev', 'auth', 'latest'], 'The digest of an image looks like sha256:'],
    [['pin', 'dev', 'shared', digest], 'shared runs no image'],
    [['render', 'nowhere'], 'There is no environment nowhere; there are dev, production, staging.'],
    [['rollout', 'dev', 'mailer'], 'dev has no mailer; it has shared, auth,'],
    [['frob'], 'usage: npm run k8s'],
  ])('%j is refused with a sentence', (args, sentence) => {
    const { status, stderr } = k8s(args, fakeHelm().env);
    expect(status).toBe(1);
    expect(stderr).toContain(sentence);
  });
});
