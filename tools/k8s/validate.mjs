/** Against the schemas of Kubernetes, where the Python package kubernetes-validate is installed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Kinds of the Prometheus operator and of the Gateway API: the package does not have their schemas. */
const isOfOthers = ({ apiVersion }) =>
  /^(monitoring\.coreos\.com|gateway\.networking\.k8s\.io)\//.test(apiVersion);

/** @returns what is wrong, or `undefined` when nobody here can tell. */
export function schemaProblems(objects) {
  if (spawnSync('kubernetes-validate', ['--version']).status !== 0) return undefined;
  const directory = mkdtempSync(path.join(tmpdir(), 'spooled-k8s-'));
  const file = path.join(directory, 'objects.yaml');
  try {
    // JSON: its quotes mean the same to every reader of YAML.
    const texts = objects.filter((each) => !isOfOthers(each)).map((each) => JSON.stringify(each));
    writeFileSync(file, texts.join('\n---\n'));
    const args = ['--strict', '--quiet', file];
    const { status, stdout, stderr } = spawnSync('kubernetes-validate', args, { encoding: 'utf8' });
    return status === 0 ? [] : `${stdout}${stderr}`.split('\n').filter(Boolean);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
